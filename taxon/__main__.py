"""`python -m taxon` is the command `taxon`."""

import sys

from taxon.main import main

if __name__ == "__main__":
    sys.exit(main())
