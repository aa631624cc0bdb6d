"""The graph of one object, and the batches of many files, without a cluster."""

from __future__ import annotations

import asyncio

import pytest

from aios3 import IntegrityError, MultipartUpload, UploadedPart
from aios3._upload.source.length import SourceLength
from aios3.dask._cluster.pieces import PartsSent
from aios3.dask.file_uploads import _batches
from aios3.dask.object_upload import _Pieces


class ScriptedCall:
    """Cluster that gives results which were written before."""

    name = "call"

    def __init__(self, results):
        self._results = results

    def submit(self, what, index, function, *arguments, urgent=False):
        return what, index

    def wait_for(self, future):
        pass

    def release(self, future):
        pass

    async def results(self):
        for result in self._results:
            yield result


def sent(number, *origins):
    return PartsSent((UploadedPart(number, 10, "etag", None),), origins)


@pytest.mark.parametrize("second_digest", ["a", "b"])
async def test_a_piece_that_differs_in_a_second_run_is_refused(second_digest):
    """Its head went to a neighbour before its worker died. A second run with the same bytes is no error."""
    results = [sent(1, (0, "x"), (1, "a")), sent(2, (1, second_digest)), sent(3, (1, second_digest))]
    pieces = _Pieces(
        ScriptedCall(results), MultipartUpload("bucket", "key", "id", 10), SourceLength(size=None, max_size=None), None
    )
    upload = pieces.send([bytes, bytes], [5, 25])
    if second_digest == "a":
        assert [part.number for part in await upload] == [1, 2, 3]
    else:
        with pytest.raises(IntegrityError, match="producer 1 ran more than once"):
            await upload


async def test_batches_are_numbered_and_the_last_is_smaller():
    pairs = [(f"path{number}", f"key{number}") for number in range(5)]
    assert [batch async for batch in _batches(iter(pairs), 2)] == [(0, pairs[:2]), (1, pairs[2:4]), (2, pairs[4:])]
    assert [batch async for batch in _batches([], 2)] == []


async def test_a_generator_of_pairs_is_closed_when_the_batches_are():
    closed = []

    async def pairs():
        try:
            while True:
                yield "path", "key"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    batches = _batches(pairs(), 2)
    assert await anext(batches) == (0, [("path", "key")] * 2)
    await batches.aclose()
    assert closed == [True]
