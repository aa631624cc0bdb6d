"""Proofs of possession, verified by another library."""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from aios3._config.credential_requests.dpop import make_proof
from aios3.errors import ConfigurationError

MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
URL = "https://us-east-1.signin.aws.amazon.com/v1/token"


def pem_of(number: int, form: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL) -> str:
    key = ec.derive_private_key(number, ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("number", [*range(1, 9), 2**200 + 17, 115792089210356248762697446949407573529996955224])
@pytest.mark.parametrize("form", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_a_proof_is_a_token_that_the_key_has_signed(number, form):
    """RFC 9449: typ, alg and the public key in the header; method, URL, time and a unique id in the claims."""
    header, claims, signature = make_proof(pem_of(number, form), URL, moment=MOMENT, proof_id="unique").split(".")
    found = json.loads(decode(header))
    assert {"typ": "dpop+jwt", "alg": "ES256"}.items() <= found.items()
    assert json.loads(decode(claims)) == {"htm": "POST", "htu": URL, "iat": 1777863721, "jti": "unique"}
    jwk = found["jwk"]
    assert (jwk["kty"], jwk["crv"], len(decode(jwk["x"])), len(decode(jwk["y"]))) == ("EC", "P-256", 32, 32)
    x, y = (int.from_bytes(decode(jwk[name])) for name in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    assert public.public_numbers() == ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
    r, s = (int.from_bytes(half) for half in (decode(signature)[:32], decode(signature)[32:]))
    public.verify(utils.encode_dss_signature(r, s), f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    "text", ["", "hidden", "-----BEGIN EC PRIVATE KEY-----\nhidden!\n-----END EC PRIVATE KEY-----"]
)
def test_what_is_no_key_is_an_error_without_the_text(text):
    """It is a secret."""
    with pytest.raises(ConfigurationError, match=r"not a private key of the curve P-256") as caught:
        make_proof(text, URL, moment=MOMENT, proof_id="x")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("module", [None, ModuleType("awscrt.crypto")], ids=["missing", "old"])
def test_without_awscrt_the_error_says_what_to_install(monkeypatch, module):
    """Or with one that has no curves yet."""
    monkeypatch.setitem(sys.modules, "awscrt.crypto", module)
    with pytest.raises(ConfigurationError, match=r"pip install 'aios3-upload\[login\]'"):
        make_proof(pem_of(1), URL, moment=MOMENT, proof_id="x")
