"""`python -m web` is `coscribe`."""

from web.cli import main

main()
