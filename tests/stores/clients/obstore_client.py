"""Write standard input to a store with obstore, read it back, and print it."""

import os
import sys

import obstore
from obstore.store import S3Store

store = S3Store(
    "bucket",
    endpoint=os.environ["AWS_ENDPOINT_URL"],
    region="us-east-1",
    access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    client_options={"allow_http": True},
)
obstore.put(store, "small", b"small", mode="create")
obstore.copy(store, "small", "copy")
obstore.put(store, "folder/large", sys.stdin.buffer.read(), chunk_size=8 * 2**20)
assert bytes(obstore.get_range(store, "small", start=1, end=4)) == b"mal"
listed = obstore.list_with_delimiter(store)
assert list(listed["common_prefixes"]) == ["folder"]
assert [each["path"] for each in listed["objects"]] == ["copy", "small"]
obstore.delete(store, ["copy", "small"])
sys.stdout.buffer.write(obstore.get(store, "folder/large").bytes())
