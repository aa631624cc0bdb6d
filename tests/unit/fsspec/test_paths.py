"""Paths, and errors of the store as users of files know them."""

from __future__ import annotations

import pytest

from aios3 import ContainerNotFoundError, ObjectNotFoundError, ThrottledError
from aios3.errors import AccessDeniedError, ConflictError, PreconditionFailedError
from aios3.fsspec.paths import os_errors, split_path


@pytest.mark.parametrize(("error", "is_exclusive", "wanted"), [
    (ObjectNotFoundError, False, FileNotFoundError), (ContainerNotFoundError, False, FileNotFoundError),
    (AccessDeniedError, False, PermissionError), (PreconditionFailedError, True, FileExistsError),
    (ConflictError, True, FileExistsError), (PreconditionFailedError, False, PreconditionFailedError),
    (ThrottledError, True, ThrottledError), (ValueError, True, ValueError),
])  # fmt: skip
def test_an_error_keeps_its_cause_and_names_the_path(error, is_exclusive, wanted):
    first = ValueError("no") if error is ValueError else error("no", operation="PutObject", status=400)
    with pytest.raises(wanted) as caught, os_errors("bucket/key", is_exclusive=is_exclusive):
        raise first
    if wanted is error:
        assert caught.value is first
    else:
        assert (caught.value.filename, caught.value.__cause__) == ("bucket/key", first)


def test_a_key_is_all_behind_the_first_slash():
    assert [split_path(path) for path in ("b", "b/k", "b//k/", "")] == [("b", ""), ("b", "k"), ("b", "/k/"), ("", "")]
