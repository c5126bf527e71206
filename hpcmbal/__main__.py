"""`python -m hpcmbal` is `hpcmbal`."""

from __future__ import annotations

import sys

from hpcmbal.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
