"""``aios3 doctor``."""

from __future__ import annotations

import asyncio
import json
import re
import signal

import pytest

from aios3.cli._commands.doctor import exit_code_for
from aios3.doctor import Finding
from tests.support.command_line import CommandLine, result_of
from tests.support.doctor_scenes import SCENES, Scene, block_of, in_page
from tests.support.documents import page_blocks, text_of

OUTPUTS = page_blocks("docs/doctor.md", language="console")
_LEVELS = ("ok", "warning", "problem")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_what_is_wrong_is_found_and_documented_as_it_is_printed(
    scene: Scene, aios3: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 30 requests; the scene itself checks that nothing is left in the store."""
    with scene.enter() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        done = aios3("doctor", "s3://bucket")
    lines = done.out.splitlines()
    wrong = [line for line in lines if line.startswith(("warning", "problem")) and " lifecycle rule:" not in line]
    assert [line[: len(word)] for line, word in zip(wrong, scene.words, strict=True)] == list(scene.words)
    assert done.code == scene.code
    assert variables["AWS_SECRET_ACCESS_KEY"] not in done.out + done.err
    assert not scene.is_golden or in_page(block_of(scene.title, f"{done.err}{done.out}{done.code}\n"))


def test_each_output_on_the_page_is_of_a_scene_or_of_a_real_store() -> None:
    """`python -m tests.support.doctor_scenes` printed those of the stores."""
    page = text_of("docs/doctor.md")
    titles = [page[: page.index(block.text)].rsplit("### ", 1)[1].splitlines()[0] for block in OUTPUTS]
    stores = [title for title in titles if title not in {scene.title for scene in SCENES}]
    assert [title for title in stores if not re.match(r"(rclone|swift|moto) \d", title)] == []
    assert len(titles) - len(stores) == len(SCENES)


def test_a_port_that_speaks_no_tls_is_told_from_one_where_nothing_listens() -> None:
    """The page shows both."""
    for advice in ("try http:// in --endpoint-url", "and whether the store runs"):
        assert in_page(advice)


def test_each_finding_is_a_line_of_json(aios3: CommandLine) -> None:
    done = aios3("doctor", "s3://bucket", "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, done.err, len(found)) == (0, "", 19)
    assert {each["level"] for each in found} <= set(_LEVELS)
    assert found[0].keys() == {"subject", "level", "text", "advice", "cause"}
    assert len(aios3.server.requests) <= 27
    written = {request.key for request in aios3.server.requests if request.method == "PUT"}
    assert len(written) == 1
    assert str(written.pop()).startswith(".aios3-doctor/")


def test_a_configuration_without_keys_is_a_problem_of_its_own(
    aios3: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = aios3("doctor", "s3://bucket")
    assert (done.code, done.out.count("problem")) == (2, 1)
    assert "no credentials were found" in done.out
    assert aios3("doctor", "s3://bucket/key").code == 2


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "CompleteMultipartUpload"])
def test_an_interrupt_removes_what_was_written(aios3: CommandLine, operation: str) -> None:
    """The request in flight is seen to its end first, because its upload or version would be unknown."""
    aios3.server.hold(operation)
    with aios3.process("doctor", "s3://bucket", "--journal", "journal", progress=None) as process:
        asyncio.run(asyncio.wait_for(aios3.server.wait_for(lambda server: server.held_requests), 40))
        process.send_signal(signal.SIGINT)
        aios3.server.release(operation)
        done = result_of(process)
    assert done.code == 130
    assert not aios3.server.objects
    assert not aios3.server.open_uploads


def test_the_exit_code_is_that_of_the_problem_to_act_on_first() -> None:
    problems = [Finding("x", "problem", "x", cause=cause) for cause in ("store", "no response", "configuration")]
    assert [exit_code_for(problems[:count]) for count in (1, 2, 3)] == [1, 4, 2]
    assert exit_code_for([Finding("x", "warning", "x")]) == 0
