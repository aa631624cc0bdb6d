"""Proof that a request for a token comes from the holder of a private key (DPoP, RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aios3.errors import ConfigurationError

__all__ = ["make_proof"]

_EXTRA: Final = "awscrt.crypto"
_COORDINATE: Final = 32
"""Bytes of a number of the curve P-256."""


def make_proof(pem: str, url: str, *, moment: datetime, proof_id: str) -> str:
    """Return a proof for one POST request: a token signed by the key (ES256). It may block: call it in a thread.

    Args:
        pem: the private key of the curve P-256.
        url: URL of the request.
        moment: time of the request.
        proof_id: text that no other proof has.

    Raises:
        ConfigurationError: awscrt is not installed, or the text is no such key. The message does not hold it.
    """
    curve = _load_curve()
    try:
        key = curve.new_key_from_der_data(base64.b64decode("".join(_body_of(pem)), validate=True))
        x, y = key.get_public_coords()
    except (ValueError, RuntimeError):
        raise ConfigurationError("the key of the login is not a private key of the curve P-256") from None
    jwk = {"kty": "EC", "crv": "P-256", "x": _encode(_padded(x)), "y": _encode(_padded(y))}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
    claims = {"jti": proof_id, "htm": "POST", "htu": url, "iat": int(moment.timestamp())}
    text = f"{_encode_json(header)}.{_encode_json(claims)}"
    signature = key.sign(hashlib.sha256(text.encode()).digest())
    return f"{text}.{_encode(curve.decode_der_signature_to_padded_pair(signature, pad_to=_COORDINATE))}"


def _load_curve() -> Any:
    try:
        return importlib.import_module(_EXTRA).EC
    except (ImportError, AttributeError):
        raise ConfigurationError(
            "to renew a login of `aws login`, awscrt is needed: pip install 'aios3-upload[login]'"
        ) from None


def _body_of(pem: str) -> list[str]:
    return [line.strip() for line in pem.splitlines() if not line.startswith("-----")]


def _padded(coordinate: bytes) -> bytes:
    return coordinate.rjust(_COORDINATE, b"\0")


def _encode_json(document: Mapping[str, object]) -> str:
    return _encode(json.dumps(document, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
