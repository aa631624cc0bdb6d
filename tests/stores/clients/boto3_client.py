"""Write standard input to a store with boto3, read it back, and print it."""

import io
import os
import sys

import boto3

client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], verify=os.environ.get("AWS_CA_BUNDLE"))
client.put_object(Bucket="bucket", Key="small", Body=b"small")  # in signed or unsigned chunks with a trailer
client.upload_fileobj(io.BytesIO(sys.stdin.buffer.read()), "bucket", "folder/large")
client.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "small"})
assert client.get_object(Bucket="bucket", Key="small", Range="bytes=1-3")["Body"].read() == b"mal"
assert client.head_object(Bucket="bucket", Key="folder/large", PartNumber=1)["PartsCount"] == 2
attributes = ["ETag", "Checksum", "ObjectParts", "ObjectSize"]
assert client.get_object_attributes(Bucket="bucket", Key="folder/large", ObjectAttributes=attributes)["ObjectSize"]
for operation in ("list_objects", "list_objects_v2"):
    listed = getattr(client, operation)(Bucket="bucket", Delimiter="/")
    assert [each["Key"] for each in listed["Contents"]] == ["copy", "small"]
    assert listed["CommonPrefixes"] == [{"Prefix": "folder/"}]
deleted = client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "copy"}, {"Key": "small"}]})
assert len(deleted["Deleted"]) == 2
client.download_fileobj("bucket", "folder/large", sys.stdout.buffer)
