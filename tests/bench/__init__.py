"""The benchmark's own tests: what it calls right has to be right, and what is wrong has to be found."""
