"""The page on fsspec: its blocks run."""

from __future__ import annotations

import asyncio

import fsspec
import pytest

from tests.support.documents import page_block
from tests.unit.fsspec.conftest import options_for

EXPORT = page_block("docs/fsspec.md", "def export(")
PUBLISH = page_block("docs/fsspec.md", "def publish(")
COPY = page_block("docs/fsspec.md", "def copy_upper(")
OPTIONS = page_block("docs/fsspec.md", "def options_of(")


@pytest.fixture
def names():
    """Names that the blocks define."""
    return EXPORT.run() | PUBLISH.run() | COPY.run() | OPTIONS.run()


def test_the_examples_do_what_they_say(store, names):
    keys = store.credentials
    options = names["options_of"](store.endpoint_url, keys.access_key_id, keys.secret_access_key)
    names["export"]([(1, 2)], options)
    assert store.objects["bucket", "rows.csv"].body == b"1,2\n"
    with pytest.raises(ZeroDivisionError):
        names["export"](((row, 1 / row) for row in (1, 0)), options)
    assert store.objects["bucket", "rows.csv"].body == b"1,2\n"
    fs = fsspec.filesystem("aios3", **options)
    names["publish"](fs, b"table", b"index")
    assert (fs.cat_file("bucket/table"), fs.cat_file("bucket/index")) == (b"table", b"index")
    fs.pipe_file("bucket/in", b"content")
    asyncio.run(names["copy_upper"](options_for(store)))
    assert fs.cat_file("bucket/out") == b"CONTENT"
    fs.close()
