"""Errors of requests, as values."""

from __future__ import annotations

import copy
import pickle

import pytest

from aios3.web._requests.errors import FormLimitError


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_of_requests_can_be_copied(again):
    error = again(FormLimitError("max_files", 3))
    assert (str(error), error.limit, error.maximum) == ("the form exceeds max_files=3", "max_files", 3)
