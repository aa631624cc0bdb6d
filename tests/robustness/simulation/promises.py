"""Checks of the promises in the README after every upload. The numbers are those of the promises."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from aios3 import CompletionUnknownError, IntegrityError, ResponseError, SourceStalledError

from .calls import Outcome, ProgressError, Upload
from .faults import Conditions
from .schedule import PATIENCE, Call
from .store import Exchange
from .world import World

__all__ = ["broken_by_the_driver", "broken_by_the_world", "broken_by_upload", "watch_bounds"]

_CLEANUP_SLACK = 1.0
"""Seconds that the clean-up may take beyond its deadline. Only the closing of the source needs any."""


def broken_by_upload(upload: Upload) -> Iterator[str]:
    """Yield the promises that an upload broke, as of the moment of its end."""
    outcome = upload.outcome
    if outcome is None:
        if upload.has_begun:
            yield "it has no end"
        return
    yield from _object(upload, outcome)
    yield from _leftovers(upload, outcome)
    yield from _progress(upload, outcome)
    yield from _ending(upload, outcome)
    yield from _silence(upload, outcome)
    if upload.source.is_closable and not upload.source.is_closed:
        yield "the source was not closed"


def _object(upload: Upload, outcome: Outcome) -> Iterator[str]:
    """Check that the object is exact or absent, that a return means committed, and that an error means not."""
    content = upload.content
    is_committed = outcome.body == content
    if outcome.body not in (content, upload.old):
        yield f"the key holds {outcome.body!r}, neither {content!r} nor {upload.old!r}"
    receipt, error = outcome.receipt, outcome.error
    if receipt is not None:
        if not is_committed:
            yield "it returned, but nothing was committed"
        if (receipt.size, receipt.etag) != (len(content), outcome.etag):
            yield f"the receipt says {receipt.size} bytes, {receipt.etag}; the store {len(content)}, {outcome.etag}"
        if sum(part.size for part in receipt.parts) not in (0, receipt.size):
            yield "the receipt's parts are not the object"
    elif is_committed and content != upload.old and not _may_be_committed(upload, error, outcome.notes):
        yield f"it raised {error!r}, but was committed"
    if upload.call.must_fail and is_committed and content != upload.old:
        yield "a source that failed was committed"


def _may_be_committed(upload: Upload, error: BaseException | None, notes: str) -> bool:
    if isinstance(error, CompletionUnknownError | IntegrityError) or not isinstance(error, Exception):
        return True
    is_single = not any(key == upload.call.key for key in upload.world.store.created.values())
    if is_single and isinstance(error, ProgressError):
        return "the object was committed" in notes  # the callback failed on the report of the commit
    if is_single and isinstance(error, ResponseError) and _could_not_look(upload):
        return True  # the store itself said no, and would not let the key be looked at
    # Stored after its answer was lost and the key was looked at: there is nothing that could be aborted.
    return is_single and upload.call.key in upload.world.store.stored_late


def _could_not_look(upload: Upload) -> bool:
    looks = [text for _, _, text in upload.world.trace if f"HeadObject {upload.call.key} " in text]
    return bool(looks) and any(end in looks[-1] for end in (" raises ", " is answered 5"))


def _leftovers(upload: Upload, outcome: Outcome) -> Iterator[str]:
    for exchange in outcome.in_flight:
        yield f"{exchange} was still in flight at the end"
    for upload_id in outcome.open_uploads:
        if not _is_excused(upload, outcome, upload_id):
            yield f"upload {upload_id} was left open"
    last = upload.world.transport.last_begun.get(upload.call.key)
    if last is not outcome.last:
        yield f"{last} was sent after the end"


def is_closing(world: World) -> bool:
    """Return whether the driver is closed while uploads run."""
    return any(call.ending.way == "close" for call in world.schedule.calls)


def _is_excused(upload: Upload, outcome: Outcome, upload_id: str) -> bool:
    """Return whether an open upload was unknowable, or the store unreachable and the id reported to the caller."""
    world = upload.world
    if upload_id in world.store.created_unheard:
        return True
    if upload_id not in world.store.heard and _is_hard_to_find(upload):
        return True
    shutdowns = [call for call in world.schedule.calls if call.ending.way == "shutdown"]
    if world.schedule.conditions.cleanup_is_reachable and len(shutdowns) < 2:  # a second one ends the clean-up
        return False
    told = (upload_id in outcome.notes and "could not be aborted" in outcome.notes) or "was lost" in outcome.notes
    return told or outcome.receipt is not None or isinstance(outcome.error, CompletionUnknownError)


def _is_hard_to_find(upload: Upload) -> bool:
    """Return whether a response to Create was lost, and the store refused to list its upload."""
    return not upload.world.schedule.conditions.cleanup_is_reachable


def _progress(upload: Upload, outcome: Outcome) -> Iterator[str]:
    seen = upload.progress
    for before, after in zip(seen, seen[1:], strict=False):
        if any(
            getattr(before, name) > getattr(after, name)
            for name in ("bytes_read", "bytes_stored", "parts_stored", "bytes_durable")
        ):
            yield f"progress went down: {before} {after}"
    for one in seen:
        if not one.bytes_durable <= one.bytes_stored <= one.bytes_read <= max(upload.source.given, len(upload.content)):
            yield f"progress counts what is not there: {one}"
    if outcome.receipt is not None and upload.call.progress != "none":
        last = seen[-1] if seen else None
        if last is None or last.bytes_stored != outcome.receipt.size:
            yield f"progress ended at {last}"


def _ending(upload: Upload, outcome: Outcome) -> Iterator[str]:
    call, error = upload.call, outcome.error
    conditions = upload.world.schedule.conditions
    if upload.was_swallowed:
        yield "a cancellation was swallowed"
    if upload.told_to_end_at is not None:
        late = outcome.at - upload.told_to_end_at
        limit = upload.world.timeouts.cleanup + 2 * call.shape.closing + _CLEANUP_SLACK
        if late > limit and call.ending.way != "close":  # a commit under way is let end
            yield f"it took {late:g} s to end"
        return
    disturbed = any(other.ending.way in ("close", "shutdown") for other in upload.world.schedule.calls)
    if disturbed or call.progress == "failing":
        return
    ends_first = call.mode != "tasks" and call.shape.can_fail and call.declared is None and call.max_size is None
    if upload.source.error not in (None, error) and ends_first and _is_kind_to(call, conditions):
        yield f"the source raised {upload.source.error!r}, but the call {error!r}"
    if upload.cancellations_left and call.mode != "tasks":
        yield "its task is left with a cancellation"
    # Before 3.13 the writers' own TaskGroup may leave one behind, when it fails together with the upload.
    may_be_theirs = call.mode == "tasks" and sys.version_info < (3, 13)
    if isinstance(error, asyncio.CancelledError) and not may_be_theirs:
        yield "it raised a cancellation that no caller requested"
    if _is_kind_to(call, conditions) and not call.must_fail and error is not None:
        yield f"every request could have succeeded, but it raised {error!r}"
    if call.must_fail and error is None:
        yield "a source that must fail was committed"


def _silence(upload: Upload, outcome: Outcome) -> Iterator[str]:
    """Check that stalled sources stop no other upload, and that the driver ends only them."""
    call, limit = upload.call, upload.world.schedule.source_timeout
    stalls = call.shape.stalls_at is not None
    if outcome.at > PATIENCE / 2 and not stalls:
        yield f"it took {outcome.at:g} s to end"
    if isinstance(outcome.error, SourceStalledError) and not stalls:
        yield f"its source moved, but it raised {outcome.error!r}"
    if isinstance(outcome.error, SourceStalledError) and limit is None and upload.world.schedule.has_disk:
        yield f"there was room on the disk, but it raised {outcome.error!r}"
    if stalls and limit is not None and call.mode != "tasks" and not isinstance(outcome.error, SourceStalledError):
        yield f"its source gave nothing for {limit:g} s, but it raised {outcome.error!r}"


def _is_kind_to(call: Call, conditions: Conditions) -> bool:
    """Return whether every request of the call can succeed. A streamed body cannot be sent again."""
    return conditions.is_kind and not (call.mechanism == "stream" and bool(conditions.per_request))


def broken_by_the_driver(world: World) -> Iterator[str]:
    """Yield everything that the driver still holds although nothing runs."""
    for engine in world.engines:
        budget = engine.memory
        if budget.used or budget._filling_held or budget._filling or budget._waiters:
            yield f"memory was not given back: {budget}"
        if engine.pool.idle_bytes:
            yield f"{engine.pool.idle_bytes} bytes of idle segments are kept"
        spill = engine.spill
        if spill is not None and (spill.used or spill.under_way or spill.files):
            yield f"the disk was not given back: {spill}"
        if engine.running or engine.known_uploads:
            yield f"still registered: {len(engine.running)} uploads, {engine.known_uploads}"
        if engine.concurrency.in_flight:
            yield f"{engine.concurrency.in_flight} passes of the gate are still held"


def broken_by_the_world(world: World, uploads: list[Upload]) -> Iterator[str]:
    """Yield the promises that are broken long after the end."""
    left = [task.get_name() for task in asyncio.all_tasks() if not task.get_name().startswith("simulation")]
    if left:
        yield f"tasks were left: {left}"
    for upload in uploads:
        body = world.store.body_of(upload.call.key)
        if body not in (upload.content, upload.old):
            yield f"{upload.call.key} holds {body!r} long after the end"
        if upload.outcome is not None:
            late = set(world.store.open_uploads(upload.call.key)) - set(upload.outcome.open_uploads)
            for upload_id in late - world.store.created_unheard:
                if world.schedule.conditions.cleanup_is_reachable:
                    yield f"upload {upload_id} came to life after the end"


def watch_bounds(world: World, uploads: list[Upload], exchange: Exchange) -> None:
    """Record a broken promise if a bound is exceeded when a request begins."""
    by_key = {upload.call.key: upload for upload in uploads}
    call = by_key[exchange.key].call
    mine = [other for other in world.transport.in_flight if other.key == exchange.key]
    if len(mine) > call.most_in_flight:
        world.blame(f"{len(mine)} requests of {exchange.key} at once, allowed are {call.most_in_flight}")
    others = {other.operation for other in mine if other is not exchange}
    if exchange.operation == "AbortMultipartUpload" and others:
        world.blame(f"{exchange} while {mine[0]} is in flight")
    running = [upload.call for upload in uploads if upload.has_begun and upload.outcome is None]
    allowed = min(world.schedule.memory_limit, sum(_most_held(world, other) for other in running))
    for engine in world.engines:
        if engine.memory.used > allowed:
            world.blame(f"{engine.memory.used} bytes are held, allowed are {allowed}")


def _most_held(world: World, call: Call) -> int:
    """Return the bytes that an upload may hold. A streamed upload holds its beginning and a few pieces."""
    part = world.schedule.part_size
    if call.mechanism == "stream":
        return part + 4 * min(world.schedule.segment_size, part)
    return (call.most_in_flight + 1) * part
