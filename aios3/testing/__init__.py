"""An S3 for tests: it is strict about the wire, and fails on command.

    async with S3Server() as server:
        server.faults.add(Fault("drop_after", "CompleteMultipartUpload"))
        async with S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials) as driver:
            await driver.upload_object_via_stream(source, "bucket", "key")
        assert server.objects["bucket", "key"].body == expected
        assert not server.open_uploads

It runs in the test's own event loop; after a plain ``with`` it runs in a thread, so tests without a loop can use it.
It shares no code with the library's own protocol layer, so that a mistake cannot be made twice in the same way.
For pytest there is a fixture, ``s3_server``, in `aios3.testing.pytest_plugin`.
"""

from aios3.testing.server.server import TEST_CREDENTIALS, S3Server
from aios3.testing.store.state import OpenUpload, StoredObject, StoredPart
from aios3.testing.wire.faults import ALL_FAULT_KINDS, Fault, FaultKind, FaultPlan
from aios3.testing.wire.received import ReceivedRequest

__all__ = [
    "ALL_FAULT_KINDS",
    "TEST_CREDENTIALS",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "OpenUpload",
    "ReceivedRequest",
    "S3Server",
    "StoredObject",
    "StoredPart",
]
