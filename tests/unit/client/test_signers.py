"""The usual signer: the same keys for everything."""

from __future__ import annotations

from aios3._client.signers import OrdinarySigner
from aios3._protocol.operations import CreateBucket, HeadObject
from aios3._protocol.wire.sigv4 import Scope
from aios3.credentials import Credentials

KEYS = Credentials("KEY", "hidden-secret")
OPERATIONS = (HeadObject("bucket", "key"), CreateBucket("bucket", None))


class Source:
    """Gives keys, and remembers those that were refused."""

    def __init__(self) -> None:
        self.refused: list[Credentials] = []

    async def get_credentials(self) -> Credentials:
        return KEYS

    def invalidate(self, credentials: Credentials) -> None:
        self.refused.append(credentials)

    def __repr__(self) -> str:
        return f"Source({KEYS.access_key_id})"


class Fixed:
    """Gives keys, and cannot be told anything."""

    async def get_credentials(self) -> Credentials:
        return KEYS


async def test_everything_is_signed_with_the_same_keys() -> None:
    signer = OrdinarySigner(Fixed(), "s3express")
    assert [await signer.keys_for(operation) for operation in OPERATIONS] == [KEYS, KEYS]
    assert {signer.scope_for(operation, "eu-west-1") for operation in OPERATIONS} == {Scope("eu-west-1", "s3express")}
    assert OrdinarySigner(Fixed()).scope_for(OPERATIONS[0], "eu-west-1") == Scope("eu-west-1", "s3")


async def test_without_a_source_nothing_is_signed() -> None:
    signer = OrdinarySigner(None)
    assert await signer.keys_for(OPERATIONS[0]) is None
    signer.refused(OPERATIONS[0], KEYS)


def test_a_source_that_can_be_told_of_a_refusal_is() -> None:
    source = Source()
    OrdinarySigner(source).refused(OPERATIONS[0], KEYS)
    OrdinarySigner(Fixed()).refused(OPERATIONS[0], KEYS)
    assert source.refused == [KEYS]


def test_no_secret_is_in_the_repr() -> None:
    """Nor in that of its source, which may be anybody's."""
    assert "KEY" not in repr(OrdinarySigner(Source()))
