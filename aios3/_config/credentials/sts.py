"""Client of AWS's Security Token Service (STS), for its two operations that return credentials of a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from aios3._client.clock_skew import ClockSkew
from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import PROCESS_FIELDS, read_credentials
from aios3._config.credential_requests.fetch import CredentialRequests, by_our_clock, make_request, refusal
from aios3._config.endpoints.regions import check_region, domain_of
from aios3._protocol.checksums.digests import sha256_hex
from aios3._protocol.policies.proxies import NO_PROXIES, Proxies
from aios3._protocol.policies.retry import repair_for
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.sigv4 import Scope, sign
from aios3._protocol.wire.xml_bodies import Element, XmlError, parse_xml
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["StsClient", "check_duration"]

_VERSION: Final = "2011-06-15"
_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3


class StsClient:
    """Sends requests to one STS endpoint.

    Args:
        region: region of the endpoint and of the signature.
        endpoint_url: ``None`` for AWS's endpoint in the region.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        clock: dates signatures, and waits between attempts.
        proxies: proxies to use.

    Raises:
        ConfigurationError: the region is invalid.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None,
        ca_bundle: str | None,
        clock: Clock,
        proxies: Proxies = NO_PROXIES,
    ) -> None:
        self._region = check_region(region, "for STS")
        self._url = endpoint_url or f"https://sts.{region}.{domain_of(region)}"
        self._clock = clock
        self._skew = ClockSkew(clock)
        self._requests = CredentialRequests(
            seconds=_SECONDS, attempts=_ATTEMPTS, clock=clock, ca_bundle=ca_bundle, proxies=proxies
        )

    async def ask(self, action: str, parameters: Mapping[str, str | None], signer: Credentials | None) -> Credentials:
        """Return the credentials of ``action``. Leaves out parameters that are ``None``; ``signer=None`` signs nothing.

        If STS refuses our time, the request is signed once more with the time of its response, and so are later ones.

        Raises:
            ResponseError: STS refuses. The message quotes STS and holds no secret.
            TransportError: STS does not respond.
            ConfigurationError: the endpoint is invalid, or the response is not from STS.
        """
        response = await self._send(action, parameters, signer)
        if signer is not None and response.status != 200 and repair_for(refusal(response, action)) == "clock":
            self._skew.correct(response)
            response = await self._send(action, parameters, signer)
        if response.status != 200:
            raise refusal(response, action)
        return by_our_clock(_read_response(response.body, action), response, self._clock.now())

    async def _send(self, action: str, parameters: Mapping[str, str | None], signer: Credentials | None) -> Response:
        given = {name: value for name, value in parameters.items() if value is not None}
        body = urlencode({"Action": action, "Version": _VERSION, **given}, quote_via=quote, safe="").encode()
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = make_request(action, "POST", self._url, headers, origin="the endpoint of STS", body=(body,))
        if signer is not None:
            request = sign(request, signer, Scope(self._region, "sts"), self._skew.now(), sha256_hex([body]))
        return await self._requests.send(request)


def check_duration(seconds: object) -> str | None:
    """Return the lifetime of a role's credentials as a parameter of STS; ``None`` stays ``None``.

    Raises:
        ConfigurationError: the lifetime is not in 900..43200 seconds.
    """
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 900 <= seconds <= 43200:
        raise ConfigurationError("duration_seconds must be a whole number in 900..43200")
    return str(seconds)


def _read_response(body: bytes, action: str) -> Credentials:
    origin = f"the response of STS to {action}"
    try:
        found = parse_xml(body).child(f"{action}Result")
    except XmlError as error:
        raise ConfigurationError(f"{origin} cannot be read: {error}") from None
    found = None if found is None else found.child("Credentials")
    document = {} if found is None else _texts(found)
    return read_credentials(document, PROCESS_FIELDS, origin)


def _texts(element: Element) -> dict[str, object]:
    return {name: (element.text(name) or "").strip() for name in element.names}
