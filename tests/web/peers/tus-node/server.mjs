// Serves @tus/server with @tus/s3-store: node server.mjs PORT ENDPOINT KEY_ID SECRET PART_SIZE MAX_AGE_MS CACHE_FOLDER
import { mkdirSync } from "node:fs";
import http from "node:http";
import { S3Store } from "@tus/s3-store";
import { FileKvStore, Server } from "@tus/server";

const [port, endpoint, accessKeyId, secretAccessKey, partSize, maxAge, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

function makeStore(expirationPeriodInMilliseconds) {
  return new S3Store({
    partSize: Number(partSize),
    minPartSize: Number(partSize),
    expirationPeriodInMilliseconds,
    cache: new FileKvStore(folder), // several processes need a shared cache, says its documentation
    s3ClientConfig: {
      bucket: "bucket",
      endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      requestChecksumCalculation: "WHEN_REQUIRED", // the loopback store takes no aws-chunked bodies
      credentials: { accessKeyId, secretAccessKey },
    },
  });
}

const server = new Server({ path: "/files", datastore: makeStore(Number(maxAge)), relativeLocation: true });
http
  .createServer(async (request, response) => {
    if (request.url !== "/sweep") return server.handle(request, response);
    await makeStore(1).deleteExpired(); // everything is old enough
    response.writeHead(204).end();
  })
  .listen(Number(port), "127.0.0.1");
