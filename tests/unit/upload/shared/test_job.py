"""The values that describe one upload."""

from __future__ import annotations

import dataclasses

from tests.support.fakes import HEADERS, make_job


def test_the_repr_of_a_job_hides_headers_and_attributes() -> None:
    """They may hold the customer's key."""
    secret = dataclasses.replace(HEADERS, create={"x-secret": "hidden-value"}, part={"x-secret": "hidden-value"})
    job = make_job(headers=secret, attributes={"sse_customer_key": b"hidden-value", "metadata": {"a": "hidden-value"}})
    assert "hidden-value" not in repr(job)
