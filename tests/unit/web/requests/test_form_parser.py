"""Forms in any chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aios3.web._requests.form_parser import FormMark, FormParser, PartHead

TYPE = "multipart/form-data; boundary=xyz"


HEAD = b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'


@given(
    st.lists(st.tuples(st.binary(max_size=60) | st.sampled_from([b"\r\n--xyz", b"\r\n--xy\r", b"\r\n--"])), max_size=4),
    st.integers(1, 40),
)
def test_any_bytes_come_back_in_any_chunks(contents, size):
    bodies = [content.replace(b"\r\n--xyz", b"\r\n--xy-") for (content,) in contents]
    form = b"".join(HEAD + body + b"\r\n" for body in bodies) + b"--xyz--\r\n"
    parser = FormParser(TYPE, max_headers=9, max_header_size=999)
    events = [event for start in range(0, len(form), size) for event in parser.feed(form[start : start + size])]
    found = []
    for event in events:
        if isinstance(event, PartHead):
            found.append(b"")
        elif isinstance(event, bytes):
            found[-1] += event
    assert found == bodies
    assert events[-1] is FormMark.FORM_END or not bodies
