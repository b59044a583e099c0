"""Starts m1app: `python app.py`, or `make run` from a fresh clone. Installed as a package it is `m1app serve`."""

import sys

from m1app.cli.serve import main

if __name__ == "__main__":
    sys.exit(main())
