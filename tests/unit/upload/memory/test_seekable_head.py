"""The head of an object: overwritten in place, given out in parts, its memory granted."""

from __future__ import annotations

from aios3._protocol.parts.part_plan import SEGMENT_SIZE
from aios3._upload.memory.budget import MemoryBudget
from aios3._upload.memory.seekable_head import SeekableHead


async def test_a_head_gives_parts_of_what_was_written_last() -> None:
    memory = MemoryBudget(100)
    head = SeekableHead(2, 10, memory)
    await head.open()
    assert (memory.used, list(head.parts())) == (20, [])
    for position, data in ((0, b"a" * 12), (3, b"bb"), (11, b"c")):
        head.write(position, memoryview(data))
    parts = list(head.parts())
    assert [(part.number, part.size, b"".join(part.body)) for part in parts] == [
        (1, 10, b"aaabbaaaaa"),
        (2, 2, b"ac"),
    ]
    await parts[0].open()
    parts[0].close()
    assert not parts[0].body
    head.close()
    head.close()
    assert memory.used == 0


async def test_a_part_of_the_head_is_sent_in_slices_of_the_usual_size() -> None:
    head = SeekableHead(1, SEGMENT_SIZE + 1, MemoryBudget(8 * SEGMENT_SIZE))
    await head.open()
    head.write(0, memoryview(bytes(SEGMENT_SIZE + 1)))
    assert [len(piece) for part in head.parts() for piece in part.body] == [SEGMENT_SIZE, 1]
    head.close()
