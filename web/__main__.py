"""`python -m web` is `coscribe`."""

from web.cli import main

if __name__ == "__main__":
    main()
