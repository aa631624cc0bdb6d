"""What was stored comes back as it was stored, whatever the store makes of it on the way."""

from __future__ import annotations

import pytest

from aios3.testing import Fault

CAPITALS = {"X-Amz-Meta-Camera": "front", "X-AMZ-META-TAKE": "3", "ETag": '"e"', "Content-Length": "0"}


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
async def test_metadata_names_with_capitals_come_back_in_lower_case(server, driver, operation):
    """As rclone sends them."""
    await driver.upload_object_via_stream(b"", "bucket", "key")
    server.faults.add(Fault("answer", operation, status=200, body=b"", headers=CAPITALS))
    if operation == "HeadObject":
        found = await driver.get_object("bucket", "key")
    else:
        async with driver.open_object("bucket", "key") as found:
            pass
    assert found.metadata == {"camera": "front", "take": "3"}
