"""Forms: parsing in any chunks, limits, order, and errors."""

from __future__ import annotations

import pytest

from aios3.web._requests.errors import ClientDisconnectedError, FormError, FormLimitError, NotAFormError
from aios3.web.forms import iterate_form_files

TYPE = "multipart/form-data; boundary=xyz"


def part(name, content, *, filename=None, more=b""):
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    return b"--xyz\r\nContent-Disposition: " + disposition.encode() + b"\r\n" + more + b"\r\n" + content + b"\r\n"


END = b"--xyz--\r\n"
FORM = (
    part("title", "café".encode())
    + part("a", b"first\r\n--xy", filename="a.bin", more=b"Content-Type: video/mp4\r\n")
    + part("none", b"", filename="")
    + part("tag", b"1")
    + part("b", b"", filename="b\u00e9.txt")
    + part("tag", b"2")
    + END
)


def asgi(body, *, size=7, content_type=TYPE, is_cut=False, length=None):
    """Return an ASGI pair that gives the body in chunks of `size` bytes, and then ends or disconnects."""
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if is_cut else {"type": "http.request"})
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))

    async def receive():
        return messages.pop(0)

    return {"type": "http", "headers": headers}, receive


async def read_all(form):
    return [
        (file.name, file.filename, file.content_type, b"".join([chunk async for chunk in file])) async for file in form
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_files_and_fields_are_the_same_in_any_chunks(size):
    """An input without a file is left out."""
    form = iterate_form_files(asgi(FORM, size=size))
    assert await read_all(form) == [
        ("a", "a.bin", "video/mp4", b"first\r\n--xy"),
        ("b", "bé.txt", None, b""),
    ]
    assert form.fields == {"title": ["café"], "tag": ["1", "2"]}


async def test_going_on_skips_what_was_not_read():
    """The former file raises, or an upload of it would store a part of its bytes."""
    form = iterate_form_files(asgi(part("a", b"1" * 50, filename="a") + part("b", b"2", filename="b") + END))
    first = await anext(form)
    assert await anext(first)
    second = await anext(form)
    with pytest.raises(RuntimeError, match="was skipped"):
        await anext(first)
    assert [chunk async for chunk in second] == [b"2"]
    assert [chunk async for chunk in second] == []
    with pytest.raises(StopAsyncIteration):
        await anext(form)
    assert [chunk async for chunk in second] == []


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"max_size": len(FORM) - 1}, "max_size"),
        ({"max_files": 2}, "max_files"),
        ({"max_file_size": 10}, "max_file_size"),
        ({"max_fields": 2}, "max_fields"),
        ({"max_field_size": 4}, "max_field_size"),
        ({"max_headers": 1}, "max_headers"),
        ({"max_header_size": 50}, "max_header_size"),
    ],
)
@pytest.mark.parametrize("size", [7, 10_000])
async def test_every_limit_is_an_error_that_names_it(limits, named, size):
    """Just at the limit the form passes; after the error it gives nothing more."""
    form = iterate_form_files(asgi(FORM, size=size), **limits)
    with pytest.raises(FormLimitError) as caught:
        await read_all(form)
    assert (caught.value.limit, caught.value.maximum, caught.value.status) == (named, limits[named], 413)
    with pytest.raises(FormError):
        await anext(form)
    exact = {"max_size": 1, "max_files": 1, "max_file_size": 1, "max_fields": 1, "max_field_size": 1, "max_headers": 1}
    exact["max_header_size"] = 16
    await read_all(iterate_form_files(asgi(FORM, size=size), **{named: limits[named] + exact[named]}))


async def test_a_declared_length_above_the_limit_is_refused_before_the_body_is_read():
    form = iterate_form_files(asgi(b"", length=101), max_size=100)
    with pytest.raises(FormLimitError):
        await anext(form)


async def test_memory_of_endless_headers_is_bounded():
    form = iterate_form_files(asgi(b"--xyz\r\nX: " + b"a" * 10**6, size=1000), max_header_size=5000)
    with pytest.raises(FormLimitError, match="max_header_size"):
        await anext(form)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        FORM[:-8],
        FORM[:100],
        b"--xyz\r\n\r\nno head\r\n" + END,
        b'--xyz\r\nContent-Disposition: attachment; name="a"\r\n\r\n\r\n' + END,
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\n\r\n" + END,
        b"--xyz\r\nBad Header: x\r\n\r\n" + END,
        part("a", b"\xff") + END,
        part("a", b"", more=b'Content-Disposition: form-data; name="b"\r\n') + END,
        part("a", b"eA==", filename="a", more=b"Content-Transfer-Encoding: base64\r\n") + END,
        part("a", b"", more=b"X: \xff\r\n") + END,
    ],
)
async def test_a_body_that_is_no_form_is_refused(body):
    with pytest.raises(FormError) as caught:
        await read_all(iterate_form_files(asgi(body)))
    assert caught.value.status == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/mixed; boundary=xyz"])
def test_another_content_type_is_415(content_type):
    with pytest.raises(NotAFormError) as caught:
        iterate_form_files(asgi(FORM, content_type=content_type))
    assert caught.value.status == 415


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 2000])
def test_a_boundary_that_is_none_is_refused(content_type):
    with pytest.raises(FormError, match="boundary"):
        iterate_form_files(asgi(FORM, content_type=content_type))


async def test_a_client_that_disconnects_fails_the_file():
    form = iterate_form_files(asgi(FORM[: FORM.index(b"first") + 3], is_cut=True))
    file = await anext(form)
    with pytest.raises(ClientDisconnectedError):
        _ = [chunk async for chunk in file]
    with pytest.raises(FormError):
        _ = [chunk async for chunk in file]
