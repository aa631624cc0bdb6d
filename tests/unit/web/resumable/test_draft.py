"""Headers of the IETF draft, read and written."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from aios3.web._resumable.draft import APPEND_TYPE, Draft, is_draft
from aios3.web._resumable.messages import Append, Checksum, Limits, RefusedError, Status

APPEND = {"content-type": APPEND_TYPE, "upload-complete": "?0", "upload-offset": "3"}
DIGEST = hashlib.sha256(b"x").digest()
FIELD = f"sha-256=:{base64.b64encode(DIGEST).decode()}:"


@pytest.mark.parametrize(
    ("headers", "length", "first"),
    [
        ({"upload-complete": "?0"}, None, Append(0)),
        ({"upload-complete": "?0", "upload-length": "9", "content-length": "4"}, 9, Append(0, 9)),
        ({"upload-complete": "?1", "content-length": "4"}, 4, Append(0, 4, True)),
        ({"upload-complete": "?1"}, None, Append(0, None, True)),
        ({"upload-incomplete": "?1"}, None, Append(0)),
        ({"upload-incomplete": "?0", "content-length": "4"}, 4, Append(0, 4, True)),
    ],
)
def test_a_creation_is_read(headers, length, first):
    creation = Draft(headers).read_creation({**headers, "content-type": "video/mp4"})
    assert (creation.length, creation.first, creation.content_type) == (length, first, "video/mp4")


@pytest.mark.parametrize(
    ("headers", "append"),
    [
        ({}, Append(3)),
        ({"upload-complete": "?1", "content-length": "2"}, Append(3, 5, True)),
        ({"content-digest": FIELD}, Append(3, checksum=Checksum("sha256", DIGEST))),
        ({"content-digest": "md5=:AA==:"}, Append(3)),
        ({"upload-offset": "3;a=1", "upload-complete": "?0;b", "upload-length": "5;c"}, Append(3, 5)),
    ],
)
def test_an_append_is_read(headers, append):
    assert Draft(headers).read_append({**APPEND, **headers}) == append


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"upload-complete": "1"}, 400),
        ({"upload-offset": "x"}, 400),
        ({"upload-complete": "?1", "content-length": "2", "upload-length": "6"}, 400),
        ({"content-digest": "sha-256=:A:"}, 400),
    ],
)
def test_an_append_that_the_draft_forbids_is_refused(headers, status):
    with pytest.raises(RefusedError) as caught:
        Draft(headers).read_append({**APPEND, **headers})
    assert caught.value.status == status


@pytest.mark.parametrize("version", ["3", "4", "5"])
def test_an_append_of_an_old_interop_version_needs_no_content_type(version):
    """tus-js-client's ``ietf-draft-03`` is version 5."""
    append = {"upload-draft-interop-version": version, "upload-complete": "?0", "upload-offset": "3"}
    assert Draft(append).read_append(append) == Append(3)
    for newer in ({**append, "upload-draft-interop-version": "6"}, {"upload-complete": "?0", "upload-offset": "3"}):
        with pytest.raises(RefusedError):
            Draft(newer).read_append(newer)


def test_a_missing_offset_is_refused():
    with pytest.raises(RefusedError):
        Draft({}).read_append({"content-type": APPEND_TYPE, "upload-complete": "?0"})


def test_requests_of_the_draft_are_recognised():
    assert is_draft({"upload-complete": "?0"})
    assert is_draft({"upload-incomplete": "?0"})
    assert not is_draft({"upload-offset": "0"})


def test_states_and_limits_are_structured_fields():
    draft, limits = Draft({}), Limits(9, 60)
    created = draft.created(Status(4, None, False), "/x", limits, is_appended=True)
    assert (created.status, dict(created.headers)) == (
        201,
        {"Location": "/x", "Upload-Limit": "max-size=9, max-age=60", "Upload-Offset": "4", "Upload-Complete": "?0"},
    )
    described = draft.described(Status(9, 9, True), Limits(None))
    assert dict(described.headers) == {
        "Cache-Control": "no-store",
        "Upload-Limit": "min-size=0",
        "Upload-Offset": "9",
        "Upload-Complete": "?1",
        "Upload-Length": "9",
    }
    assert draft.options(limits).headers["Upload-Limit"] == "max-size=9, max-age=60"
    assert draft.deleted().status == 204


def test_an_old_client_gets_its_own_field_back():
    headers = Draft({"upload-incomplete": "?1"}).appended(Status(4, 4, True)).headers
    assert dict(headers) == {"Upload-Offset": "4", "Upload-Incomplete": "?0"}


def test_another_offset_is_a_problem_document_with_the_right_one():
    draft = Draft({})
    response = draft.refused(draft.other_offset(5, 3, is_complete=False), Limits(None))
    assert (response.status, response.headers["Upload-Offset"], response.headers["Upload-Complete"]) == (409, "5", "?0")
    assert response.headers["Content-Type"] == "application/problem+json"
    document = json.loads(response.body)
    assert document["type"].endswith("#mismatching-upload-offset")
    assert (document["expected-offset"], document["provided-offset"], document["status"]) == (5, 3, 409)


def test_an_append_to_a_complete_upload_is_a_problem_of_its_own_with_the_offset():
    """``Upload-Complete: ?1`` in a refusal would mean that the upload was processed and failed."""
    draft = Draft({})
    response = draft.refused(draft.other_offset(5, 3, is_complete=True), Limits(None))
    assert (response.status, response.headers["Upload-Offset"]) == (409, "5")
    assert "Upload-Complete" not in response.headers
    assert json.loads(response.body)["type"].endswith("#completed-upload")
