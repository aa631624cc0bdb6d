"""Loopback S3 server for tests. It checks each request strictly, and fails on command::

    async with S3Server() as server:
        server.faults.add(Fault("drop_after", "CompleteMultipartUpload"))
        async with S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials) as driver:
            await driver.upload_object_via_stream(source, "bucket", "key")
        assert server.objects["bucket", "key"].body == expected
        assert not server.open_uploads

After ``async with`` the server runs in the event loop of the test. After a plain ``with`` it runs in a thread, for
tests without a loop. It shares no code with the library's protocol layer, because a mistake in shared code would be on
both sides of the wire, and no test would see it. `aios3.testing.pytest_plugin` has the pytest fixture ``s3_server``.
"""

from aios3.testing.server.server import TEST_CREDENTIALS, S3Server
from aios3.testing.store.cors import CorsRule
from aios3.testing.store.state import OpenUpload, StoredObject, StoredPart
from aios3.testing.wire.faults import ALL_FAULT_KINDS, Fault, FaultKind, FaultPlan
from aios3.testing.wire.received import ReceivedRequest

__all__ = [
    "ALL_FAULT_KINDS",
    "TEST_CREDENTIALS",
    "CorsRule",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "OpenUpload",
    "ReceivedRequest",
    "S3Server",
    "StoredObject",
    "StoredPart",
]
