"""Sessions of directory buckets: keys that sign the requests to one bucket for five minutes.

Source: Amazon S3 API Reference, CreateSession.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

from aios3.credentials import Credentials
from aios3.testing.store.state import Store
from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import leaf, timestamp, tree, write_document
from aios3.testing.wire.received import ReceivedRequest
from aios3.testing.wire.signatures import Authorization

__all__ = ["SESSION_LIFE", "create_session", "find_keys"]

SESSION_LIFE: Final = timedelta(minutes=5)

_WITHOUT_SESSION: Final = frozenset({"CreateSession", "CreateBucket", "DeleteBucket", "ListBuckets"})


def create_session(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Open a session, and return its keys."""
    if not store.has_sessions:
        raise Refusal(501, "NotImplemented", "There are no sessions here.")
    bucket = store.require_bucket(request)
    mode = request.header("x-amz-create-session-mode")
    if mode not in {None, "ReadWrite"}:
        raise Refusal(501, "NotImplemented", f"There are no sessions of mode {mode} here.")
    number = len(store.sessions) + 1
    secret = hashlib.sha256(f"session {number}".encode()).hexdigest()
    ends = store.clock() + SESSION_LIFE
    keys = Credentials(f"AIOS3SESSION{number}", secret, f"session/{number}+token==", ends)
    store.sessions[keys.access_key_id] = (bucket, keys)
    given = tree(
        "Credentials",
        leaf("SessionToken", keys.session_token),
        leaf("SecretAccessKey", keys.secret_access_key),
        leaf("AccessKeyId", keys.access_key_id),
        leaf("Expiration", timestamp(ends)),
    )
    return Answer(200, {"Content-Type": "application/xml"}, write_document("CreateSessionResult", given))


def find_keys(
    store: Store, request: ReceivedRequest, claim: Authorization, ordinary: Credentials
) -> tuple[Authorization, Credentials]:
    """Return the authorization of a request, with the token to compare, and the keys that must have signed it.

    Raises:
        Refusal: the request needs the keys of a session of its bucket, and was signed with others.
    """
    if not store.has_sessions or request.operation in _WITHOUT_SESSION:
        return claim, ordinary
    if claim.access_key_id == ordinary.access_key_id:
        raise Refusal(403, "AccessDenied", "Requests to a directory bucket are signed with the keys of a session.")
    bucket, keys = store.sessions.get(claim.access_key_id, (None, ordinary))
    if bucket is not None and bucket != request.bucket:
        raise Refusal(403, "AccessDenied", "The session is for another bucket.")
    if claim.token is not None:
        raise Refusal(400, "InvalidToken", "The token of a session is x-amz-s3session-token.")
    return replace(claim, token=claim.session_token), keys
