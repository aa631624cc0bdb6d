"""Lets failing assertions of the checks tell their values, though they stand outside of test files."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"tests.conformance.{name}" for name in ("contents", "endings", "exchange", "housekeeping", "keys"))
)
