"""The job: a value."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.fakes import HEADERS, make_job


def test_a_job_does_not_change() -> None:
    """While its upload runs."""
    job = make_job(key="k")
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.key = "other"  # type: ignore[misc]
    assert (job.bucket, job.key, job.headers) == ("bucket", "k", HEADERS)


def test_a_job_does_not_show_the_callers_headers() -> None:
    """They may hold the customer's key."""
    secret = dataclasses.replace(HEADERS, create={"x-secret": "hidden-value"}, part={"x-secret": "hidden-value"})
    job = make_job(headers=secret, attributes={"sse_customer_key": b"hidden-value", "metadata": {"a": "hidden-value"}})
    assert "hidden-value" not in repr(job)


def test_a_job_is_a_new_upload_of_anything_unless_it_says_otherwise() -> None:
    """Of no file, without a mark of its own, and from the first byte."""
    job = make_job()
    assert (job.file, job.nonce, job.resume, job.attributes) == (None, None, None, {})
