"""Fake HTTP endpoint for credentials, with scripted responses and a record of requests."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
"""Time at which `tests.support.fakes.FakeClock` starts."""


@dataclass(frozen=True)
class Asked:
    """Received request."""

    method: str
    target: str
    """Path and query as sent."""
    headers: dict[str, str]
    """Headers by lower-case name."""
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """Fields of a body that is a form."""
        return dict(parse_qsl(self.body.decode()))


@dataclass(frozen=True)
class Answer:
    """Response, or silence."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    is_silent: bool = False


SILENCE = Answer(is_silent=True)


class StandIn:
    """Endpoint that sends the scripted responses in order, and repeats the last response."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: deque[Answer] = deque()
        self.arrived = asyncio.Event()
        """Event that each request sets."""
        self._closing = asyncio.Event()

    def on(self, *answers: Answer) -> None:
        """Replace the scripted responses."""
        self.script = deque(answers)

    def end_silence(self) -> None:
        """Send the next scripted response to each request that got none so far."""
        self._closing.set()

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.raw_path, headers, await request.read()))
        self.arrived.set()
        answer = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if answer.is_silent:
            await self._closing.wait()
            answer = self.script.popleft() if len(self.script) > 1 else self.script[0]
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


def json_answer(document: object, status: int = 200) -> Answer:
    """Return a response with a JSON document."""
    return Answer(status, json.dumps(document).encode())


def metadata(number: int = 1, *, expires_at: datetime = NOW + timedelta(hours=6), **more: object) -> Answer:
    """Return a response of the container endpoint and the metadata service."""
    keys = {"AccessKeyId": f"KEY{number}", "SecretAccessKey": "hidden-secret", "Token": "hidden-token"}
    return json_answer({**keys, "Expiration": expires_at.isoformat(), **more})


def sts(action: str = "AssumeRole", number: int = 1, *, expires_at: datetime = NOW + timedelta(hours=1)) -> Answer:
    """Return a response of STS with credentials."""
    return Answer(
        body=f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
        <Credentials><AccessKeyId>KEY{number}</AccessKeyId><SecretAccessKey>hidden-secret</SecretAccessKey>
        <SessionToken>hidden-token</SessionToken><Expiration>{expires_at:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>
        </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>""".encode()
    )


def sts_error(status: int, code: str, message: str = "no") -> Answer:
    """Return an error response of STS."""
    return Answer(
        status,
        f"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
        <Code>{code}</Code><Message>{message}</Message></Error><RequestId>the-request</RequestId></ErrorResponse>""".encode(),
    )
