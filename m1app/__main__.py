"""`python -m m1app`: the command line."""

import sys

from m1app.cli import main

if __name__ == "__main__":
    sys.exit(main())
