"""Entry point of ``python -m aios3``, which is the command ``aios3``."""

from __future__ import annotations

import sys

from aios3.cli import main

if __name__ == "__main__":
    sys.exit(main())
