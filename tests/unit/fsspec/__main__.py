"""All tests of the filesystem, with the whole battery of fsspec, pandas and Dask: ``python -m tests.unit.fsspec``.

pandas, pyarrow and Dask must be installed; elsewhere their tests are skipped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["AIOS3_WHOLE_BATTERY"] = "1"
sys.exit(pytest.main([str(Path(__file__).parent), *sys.argv[1:]]))
