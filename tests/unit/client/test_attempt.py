"""What came of a request, as a value."""

from __future__ import annotations

from aios3._client.attempt import Attempt
from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials


def test_the_result_of_a_success_is_unwrapped() -> None:
    assert Attempt("result", None, Response(200, {})).unwrap() == "result"
    assert Attempt(None, None, Response(204, {})).unwrap() is None


def test_no_key_is_in_the_repr() -> None:
    attempt = Attempt("result", None, None, Credentials("KEY", "hidden-secret", "hidden-token"))
    assert "KEY" not in repr(attempt)
