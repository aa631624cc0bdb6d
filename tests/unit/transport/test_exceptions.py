"""What aiohttp raises: whose fault it is, whether the request went out, and nothing that it quotes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import os
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from aios3._protocol.policies.retry import outcome_unknown
from aios3._protocol.wire.messages import Request
from aios3._transport.exceptions import MappedExceptions
from aios3.errors import DriverClosedError, IntegrityError, TransportError

REQUEST = Request("PutObject", "PUT", "https", "store.example", "/bucket/key")
KEY = ConnectionKey("store.example", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(url=None, method="PUT", headers={}, real_url=None)  # type: ignore[arg-type]


def translated(error: BaseException, *, is_owner: bool = True, is_closed: bool = False) -> BaseException:
    """Return what leaves the block that `error` ends, before which the transport may be closed."""

    async def attempt() -> BaseException:
        closed: list[bool] = []
        translation = MappedExceptions(REQUEST, is_owner=is_owner, is_closed=lambda: bool(closed))
        with pytest.raises(BaseException) as caught, translation:  # noqa: PT011 - any
            closed.extend([True] * is_closed)
            raise error
        return caught.value

    return asyncio.run(attempt())


@pytest.mark.parametrize(
    ("error", "words", "was_sent", "is_permanent"),
    [
        (aiohttp.ServerDisconnectedError(), "Server disconnected", True, False),
        (ConnectionResetError(104, "reset by peer"), "reset by peer", True, False),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "refused", False, False),
        (aiohttp.ClientConnectorCertificateError(KEY, ValueError("not trusted")), "not trusted", False, True),
        (aiohttp.ClientResponseError(INFO, (), message="secret"), "does not speak HTTP", True, False),
        (aiohttp.ClientPayloadError("secret"), "broke off", True, False),
    ],
)
def test_a_failure_of_the_connection(error: Exception, words: str, was_sent: bool, is_permanent: bool) -> None:
    """It says what was attempted where, and whether the store may have seen it."""
    found = translated(error)
    assert isinstance(found, TransportError)
    assert str(found).startswith("PutObject at https://store.example: ")
    assert words in str(found)
    assert "secret" not in str(found)
    assert (found.was_sent, found.is_permanent) == (was_sent, is_permanent)
    assert found.__cause__ is error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "Connect call failed ('1.2.3.4', 443)")),
            f"({os.strerror(errno.ECONNREFUSED)})",
        ),
        (aiohttp.ClientConnectorError(KEY, OSError("Multiple exceptions: a, b")), "(Multiple exceptions: a, b)"),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known")),
            "(Name or service not known)",
        ),
        (
            aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            "([SSL: WRONG_VERSION_NUMBER] wrong version number); if that port speaks plain http, its URL must begin "
            "with http://",
        ),
    ],
)
def test_a_connection_that_is_not_made_is_told_by_host_and_the_systems_words(error: Exception, words: str) -> None:
    """Not by the setting of TLS that aiohttp adds, whose repr says nothing, and misleads where there is no TLS."""
    where = "PutObject at https://store.example: cannot connect to store.example:443"
    assert str(translated(error)) == f"{where} {words}"


@pytest.mark.parametrize("error", [TransportError("ours"), IntegrityError("ours"), KeyboardInterrupt()])
def test_what_is_right_as_it_is(error: BaseException) -> None:
    assert translated(error) is error


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'NoneType' object has no attribute 'secret'"),
        RuntimeError("secret"),
        AssertionError(),
        KeyError("secret"),
        ValueError("secret"),
        concurrent.futures.CancelledError(),
        ExceptionGroup("secret", [OSError()]),
    ],
)
@pytest.mark.parametrize("is_owner", [True, False])
def test_whatever_else_is_raised_leaves_open_what_the_store_did(error: Exception, is_owner: bool) -> None:
    """A defect, of aiohttp or of the session that the caller gave, says no more of it than a lost connection."""
    found = translated(error, is_owner=is_owner)
    assert isinstance(found, TransportError)
    assert str(found) == f"PutObject at https://store.example: the HTTP client failed with {type(error).__name__}"
    assert (found.was_sent, found.is_permanent, found.__cause__) == (True, False, error)
    assert outcome_unknown(found)


async def test_a_cancellation_passes() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError), MappedExceptions(REQUEST, is_owner=True, is_closed=lambda: False):
        await asyncio.sleep(0)
    task.uncancel()


def test_the_cancellation_of_something_else_is_no_cancellation_of_this_task() -> None:
    found = translated(asyncio.CancelledError())
    assert isinstance(found, TransportError)


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientPayloadError("cut"), True),
        (TransportError("ours"), True),
        (ConnectionResetError(), True),
        (RuntimeError("Session is closed"), True),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_a_transport_that_is_closed_meanwhile(error: BaseException, was_sent: bool) -> None:
    """Whatever aiohttp makes of it; it cancels those who wait for a look-up, which is no cancellation of the caller."""
    found = translated(error, is_closed=True)
    assert isinstance(found, DriverClosedError)
    assert (str(found), found.was_sent) == ("PutObject at https://store.example: the driver was closed", was_sent)
    assert found.__cause__ is error


async def test_a_cancellation_stays_one_although_the_transport_is_closed() -> None:
    closed: list[bool] = []

    async def attempt() -> None:
        with MappedExceptions(REQUEST, is_owner=True, is_closed=lambda: bool(closed)):
            closed.append(True)
            await asyncio.Event().wait()

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("error", [OSError("their network"), KeyError("a bug")])
def test_what_has_nothing_to_do_with_the_closing(error: Exception) -> None:
    assert not isinstance(translated(error, is_owner=False, is_closed=True), DriverClosedError)
