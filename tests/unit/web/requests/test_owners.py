"""Refusals by errors of web frameworks."""

from __future__ import annotations

import pytest
from aiohttp import web
from starlette.exceptions import HTTPException

from aios3 import ResponseError
from aios3.web import NotAFormError
from aios3.web._requests.owners import status_of_refusal


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HTTPException(403), 403),
        (web.HTTPUnauthorized(), 401),
        (NotAFormError("x"), 415),
        (web.HTTPFound("/login"), None),
        (HTTPException(500), None),
        (ResponseError("x", operation="GetObject", status=404), None),
        (KeyError(), None),
    ],
)
def test_only_a_refusal_of_the_client_has_a_status(error, status):
    assert status_of_refusal(error) == status
