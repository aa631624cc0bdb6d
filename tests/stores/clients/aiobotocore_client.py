"""Write standard input to a store with aiobotocore, read it back, and print it."""

import asyncio
import os
import sys

from aiobotocore.session import get_session


async def main() -> None:
    async with get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]) as client:
        where = {"Bucket": "bucket", "Key": "folder/large"}
        content = sys.stdin.buffer.read()
        upload = await client.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")
        parts = []
        for number, start in enumerate(range(0, len(content), 8 * 2**20), 1):
            part = await client.upload_part(
                **where,
                UploadId=upload["UploadId"],
                PartNumber=number,
                Body=content[start : start + 8 * 2**20],
                ChecksumAlgorithm="CRC32",
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
        await client.complete_multipart_upload(**where, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
        response = await client.get_object(**where)
        sys.stdout.buffer.write(await response["Body"].read())


asyncio.run(main())
