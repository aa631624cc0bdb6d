"""Deletion of many objects: the list of keys, and the report on each."""

from __future__ import annotations

import pytest

from aios3._protocol.operations.deletions import DeleteObjects, is_exact_in_xml
from aios3._protocol.wire.messages import Response
from aios3.errors import AccessDeniedError, ResponseError
from aios3.models import DeletionFailure

DELETE = DeleteObjects("b", [("a&<b>", None), ("c", "v/1")])


def test_list_names_keys_and_versions() -> None:
    assert b"<Object><Key>a&amp;&lt;b&gt;</Key></Object><Object><Key>c</Key><VersionId>v/1</VersionId>" in DELETE.body


def test_report_names_each_object() -> None:
    body = (
        b"<DeleteResult><Deleted><Key>a&amp;&lt;b&gt;</Key></Deleted>"
        b"<Error><Key>c</Key><VersionId>v/1</VersionId><Code>AccessDenied</Code><Message>no</Message></Error>"
        b"<Error><Key>d</Key></Error></DeleteResult>"
    )
    report = DELETE.read(Response(200, {}, body))
    assert report.deleted == {("a&<b>", None)}
    assert report.failures == (
        DeletionFailure("c", "v/1", "AccessDenied", "no"),
        DeletionFailure("d", None, None, ""),
    )


def test_refusal_of_the_request_is_raised_even_inside_a_success() -> None:
    with pytest.raises(AccessDeniedError):
        DELETE.read(Response(200, {}, b"<Error><Code>AccessDenied</Code></Error>"))
    with pytest.raises(ResponseError):
        DELETE.read(Response(200, {}, b""))


@pytest.mark.parametrize("key", ["a", "a b", "a/b", "\U0001f408", "&<>\"'", "\ufffd"])
def test_key_that_xml_holds_exactly(key: str) -> None:
    assert is_exact_in_xml(key)


@pytest.mark.parametrize("key", ["\x00", "a\nb", "\r", "\t", " a", "a ", "\u3000a", "\ufffe", "\x85"])
def test_key_that_a_parser_may_change(key: str) -> None:
    assert not is_exact_in_xml(key)
