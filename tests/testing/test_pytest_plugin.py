"""The fixture for users."""

from __future__ import annotations

from aios3.testing import S3Server

pytest_plugins = ["aios3.testing.pytest_plugin"]


async def test_the_fixture_is_a_running_server(s3_server: S3Server, connect):
    """With one bucket, empty."""
    async with connect(s3_server) as client:
        assert (await client.request("PUT", "/bucket/key", body=b"x")).status == 200
    assert list(s3_server.objects) == [("bucket", "key")]
