"""The journal's lines: a journal that was cut anywhere loses nothing that was promised, and invents nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._journal.entries import begin_lines, created_line, describe_job, ended_line, head_line, read_journal
from aios3.checkpoints import FileIdentity
from tests.support.fakes import make_job
from tests.support.journal_scene import AT, HERE, entry

FILE = FileIdentity("/data/ü\n.bin", 7, 1_000_000_007)
FULL = entry(
    key="a//b/\u2028\ud800\n",
    checksum="crc32",
    size=7,
    attributes={"if_none_match": "*"},
    has_customer_key=True,
    file=FILE,
    upload_id="id\n&",
)


def read(text: str) -> tuple[str | None, dict[int, object]]:
    return read_journal(text.split("\n"))  # type: ignore[return-value]


def test_an_entry_comes_back_as_it_was() -> None:
    text = head_line(HERE) + begin_lines(1, FULL) + begin_lines(2, entry())
    assert read(text) == (HERE, {1: FULL, 2: entry()})
    assert text.count("\n") == 4
    assert text.isascii()


def test_an_id_comes_later_and_an_end_ends() -> None:
    begun = head_line(HERE) + begin_lines(1, entry()) + begin_lines(2, entry())
    assert read(begun + created_line(2, "id")) == (HERE, {1: entry(), 2: entry(upload_id="id")})
    assert read(begun + created_line(2, "id") + ended_line(2) + ended_line(1)) == (HERE, {})


def test_a_journal_of_another_version_is_nobodys() -> None:
    assert read('{"event":"journal","version":2,"endpoint":"http://store.test"}\n') == (None, {})


def test_a_naive_time_is_no_time() -> None:
    """An entry whose window is not known could take in foreign uploads."""
    assert read(begin_lines(1, entry(at=AT.replace(tzinfo=None)))) == (None, {})


def test_what_a_later_process_needs_is_described_and_no_secret() -> None:
    attributes = {
        "if_none_match": "*",
        "request_payer": "requester",
        "sse_customer_key": b"k" * 32,
        "metadata": {"secret": "hidden"},
    }
    job = make_job(attributes=attributes, file=FILE, size=7, checksum="crc32")
    described = describe_job(job, "id", at=AT)
    assert described == entry(
        attributes={"if_none_match": "*", "request_payer": "requester"},
        has_customer_key=True,
        file=FILE,
        size=7,
        checksum="crc32",
        upload_id="id",
    )
    assert "hidden" not in begin_lines(1, described)
    assert "kkkk" not in begin_lines(1, described)


LINES = [
    head_line(HERE),
    begin_lines(1, entry(key="first")),
    created_line(1, "id-1"),
    begin_lines(2, entry(key="second", file=FILE)),
    ended_line(1),
    created_line(2, "id-2"),
    begin_lines(3, entry(key="third", upload_id=None)),
    ended_line(2),
]
STATES = [
    {},
    {1: entry(key="first")},
    {1: entry(key="first", upload_id="id-1")},
    {1: entry(key="first", upload_id="id-1"), 2: entry(key="second", file=FILE)},
    {2: entry(key="second", file=FILE)},
    {2: entry(key="second", file=FILE, upload_id="id-2")},
    {2: entry(key="second", file=FILE, upload_id="id-2"), 3: entry(key="third")},
    {3: entry(key="third")},
]
"""What is open after each line."""
TEXT = "".join(LINES)
ENDS = [len("".join(LINES[: index + 1])) for index in range(len(LINES))]


def states_at(cut: int) -> list[object]:
    """Return what may be open when so many bytes are there: a last line without its newline may count or not."""
    surely = sum(end <= cut for end in ENDS)
    perhaps = sum(end - 1 <= cut for end in ENDS)
    return [{} if not count else STATES[count - 1] for count in {surely, perhaps}]


@pytest.mark.parametrize("garbage", ["", "\0" * 600, "\ufffd{]", '{"event":"cre', "\n\n", "7", "[]\n"])
def test_a_cut_at_any_byte_loses_and_invents_nothing(garbage: str) -> None:
    """Every whole line counts, whatever a lost page or a foreign byte puts behind it."""
    wrong = [cut for cut in range(len(TEXT) + 1) if read(TEXT[:cut] + garbage)[1] not in states_at(cut)]
    assert wrong == []


def test_who_goes_on_after_a_torn_line_is_understood() -> None:
    more = begin_lines(9, entry(key="later", upload_id="id-9"))
    for cut in range(len(TEXT) + 1):
        opened = read(f"{TEXT[:cut]}\n{more}")[1]
        assert opened.pop(9) == entry(key="later", upload_id="id-9")
        assert opened in states_at(cut)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_garbage_is_no_upload(lines: list[bytes]) -> None:
    assert read_journal([line.decode("utf-8", errors="replace") for line in lines])[1] == {}


RECORD = json.loads(begin_lines(1, FULL).split("\n", maxsplit=1)[0])


@given(
    st.sampled_from([*RECORD]),
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.none()), st.just({"path": 1})),
)
def test_a_record_with_a_wrong_value_does_not_raise(field: str, value: object) -> None:
    """It is passed over, or read as what it says; the next line counts all the same."""
    text = json.dumps({**RECORD, field: value}) + "\n" + begin_lines(2, entry())
    assert read(text)[1][2] == entry()


def test_a_line_about_an_unknown_entry_is_passed_over() -> None:
    assert read(created_line(4, "id") + ended_line(5) + '{"event":"other","entry":1}\n') == (None, {})


def test_a_deeply_nested_line_is_passed_over() -> None:
    assert read("[" * 100_000 + "\n" + begin_lines(2, entry()))[1] == {2: entry()}
