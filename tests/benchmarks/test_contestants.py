"""Who is measured."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from benchmarks import clients
from benchmarks.contestants import CONTESTANTS, Contestant, contestant, versions_of

FOLDER = Path(clients.__file__).parent


@pytest.mark.parametrize("entry", CONTESTANTS.values(), ids=CONTESTANTS)
def test_every_contestant_has_a_module_that_gives_a_client(entry):
    """Its module defines `client`; it is not imported, for peers are not installed here."""
    tree = ast.parse((FOLDER / f"{entry.module}.py").read_text())
    assert "client" in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}


def test_a_suffix_asks_for_uvloop():
    plain, faster = contestant("aios3"), contestant("aios3+uvloop")
    assert (plain.uvloop, faster.uvloop) == (False, True)
    assert faster.module == plain.module
    assert faster.distributions == (*plain.distributions, "uvloop")


@pytest.mark.parametrize("name", ["nobody", "boto3+uvloop", "nobody+uvloop"])
def test_an_unknown_name_and_a_loop_that_is_not_ours_are_refused(name):
    """uvloop means nothing to a client that runs in threads or as a program."""
    with pytest.raises(LookupError):
        contestant(name)


def test_what_is_not_installed_is_said():
    with pytest.raises(LookupError, match="no-such-distribution"):
        versions_of(Contestant("x", "x", "x", ("no-such-distribution",)))


def test_what_is_installed_is_named_with_its_version():
    assert set(versions_of(Contestant("x", "x", "x", ("aiohttp",)))) == {"aiohttp"}


def test_an_environment_of_its_own_is_used_if_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "bench"))
    entry = Contestant("x", "x", "x", environment="others")
    assert entry.interpreter == sys.executable
    beside = tmp_path / "bench-others" / "bin" / "python"
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert entry.interpreter == str(beside)
