"""Values that go through tasks, whose reprs are logged: what came of a request, and what signs it."""

from __future__ import annotations

from aios3._client.attempts import Attempt
from aios3._client.signers import OrdinarySigner
from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials


def test_the_result_of_a_success_is_unwrapped() -> None:
    assert Attempt("result", None, Response(200, {})).unwrap() == "result"
    assert Attempt(None, None, Response(204, {})).unwrap() is None


class Source:
    """Source of credentials whose repr is careless."""

    def __repr__(self) -> str:
        return "Source(KEY)"


def test_no_key_is_in_the_repr() -> None:
    attempt = Attempt("result", None, None, Credentials("KEY", "hidden-secret", "hidden-token"))
    assert "KEY" not in f"{attempt!r} {OrdinarySigner(Source())!r}"  # type: ignore[arg-type]
