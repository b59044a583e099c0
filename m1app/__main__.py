"""`python -m m1app`: the command line."""

import sys

from m1app.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
