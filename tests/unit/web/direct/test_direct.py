"""Parts of direct uploads that need no store: values that clients send, responses."""

from __future__ import annotations

import pytest

from aios3.models import UploadedPart
from aios3.web._direct.messages import (
    RefusedError,
    declared_file,
    parts_of_json,
    parts_of_xml,
    query_of,
    xml_response,
)
from aios3.web._direct.service import called
from aios3.web._direct.signing import DirectSigning


@pytest.mark.parametrize(
    "known",
    [
        {"filename": "a", "type": "x/y", "metadata": {"album": 7, "none": None, "size": "5"}},
        query_of({"query_string": b"filename=a&type=x/y&metadata[album]=7&metadata%5Bsize%5D=5"}),
    ],
)
def test_json_and_query_declare_the_same_file(known):
    file = declared_file(known)
    assert file.metadata == {"filename": "a", "type": "x/y", "album": "7", "size": "5"}
    assert (file.content_type, file.size) == ("x/y", 5)


def test_what_is_not_declared_has_a_default():
    file = declared_file({"metadata": None, "type": ""})
    assert (file.content_type, file.size) == ("application/octet-stream", None)


def test_parts_are_read_with_and_without_quotes():
    assert parts_of_json({"parts": [{"PartNumber": 1, "ETag": '"a"'}, {"PartNumber": "2", "ETag": "b"}]}) == {
        1: "a",
        2: "b",
    }
    body = b"<C><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part><Part>\n<PartNumber>2</PartNumber>\n"
    assert parts_of_xml(body + b"<ETag>b</ETag></Part></C>") == {1: "a", 2: "b"}
    with pytest.raises(RefusedError):
        parts_of_xml(b"<PartNumber>0</PartNumber><ETag>b</ETag>")


def test_xml_escapes_its_texts():
    response = xml_response("R", {"Key": "a&<b>"}, [UploadedPart(1, 5, 'e"&')])
    assert response.body == (
        b"<R><Key>a&amp;&lt;b&gt;</Key>"
        b"<Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;&amp;&quot;</ETag><Size>5</Size></Part></R>"
    )
    assert response.content_type == "application/xml"


async def test_functions_of_the_caller_may_be_async():
    async def later():
        return 1

    assert (await called(later()), await called(1)) == (1, 1)


@pytest.mark.parametrize(
    ("wanted", "seconds"), [(None, 900), (60, 60), (9999, 900), (-1, 900), (0, 900), (True, 900), ("5", 900)]
)
def test_a_client_may_ask_for_less_time_only(wanted, seconds):
    class Service:
        expires_in = 900

    assert DirectSigning(Service())._expires_in(wanted) == seconds
