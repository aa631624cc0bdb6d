"""Write standard input to a store with s3fs, read it back, and print it."""

import os
import sys

import s3fs

files = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
files.pipe("bucket/small", b"small")
with files.open("bucket/folder/large", "wb", block_size=8 * 2**20) as file:
    file.write(sys.stdin.buffer.read())
files.copy("bucket/small", "bucket/copy")
assert sorted(files.ls("bucket")) == ["bucket/copy", "bucket/folder", "bucket/small"]
assert files.cat_file("bucket/small", start=1, end=4) == b"mal"
files.rm(["bucket/small", "bucket/copy"])
with files.open("bucket/folder/large", "rb") as file:
    sys.stdout.buffer.write(file.read())
