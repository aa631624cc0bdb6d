// Uploads a file with tus-js-client: whole, in chunks, after an abort, in parallel, and by both drafts of the IETF.
// What its own end-to-end tests do in a browser is written again here, because its package has them for browsers only.
// A stream of unknown length is left out: both versions announce a whole chunk for a shorter last one.
import { createRequire } from "node:module"
import fs from "node:fs"
import assert from "node:assert"
const [endpoint, path, folder, name] = process.argv.slice(2)
const tus = createRequire(folder + "/")(name)
const content = fs.readFileSync(path)

function upload(options, { abortAt } = {}) {
  const { size = content.length, source = content, ...rest } = options
  return new Promise((resolve, reject) => {
    let aborted = false
    const one = new tus.Upload(source, {
      endpoint, retryDelays: [0, 200, 500, 1000, 2000], metadata: { filename: "ж.mp4", filetype: "video/mp4" },
      onError: reject, onSuccess: () => resolve(one.url),
      onProgress(sent) {
        if (abortAt !== undefined && sent >= abortAt && !aborted) {
          aborted = true
          one.abort().then(() => setTimeout(() => one.start(), 100))
        }
      },
      ...rest,
    })
    one.start()
  })
}

async function check(name, url) {
  const got = Buffer.from(await (await fetch(url)).arrayBuffer())
  assert.ok(got.equals(content), `${name}: other bytes`)
  const head = await fetch(url, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } })
  assert.equal(head.headers.get("upload-offset"), String(content.length), name)
  console.log("ok", name)
}

await check("whole", await upload({}))
await check("chunks", await upload({ chunkSize: 5 * 1024 * 1024 }))
await check("odd chunks", await upload({ chunkSize: 3_000_001 }))
await check("resumed", await upload({ chunkSize: 4 * 1024 * 1024 }, { abortAt: 6_000_000 }))
await check("with creation", await upload({ uploadDataDuringCreation: true, chunkSize: 6_000_000 }))
await check("parallel", await upload({ parallelUploads: 3 }))
for (const protocol of ["ietf-draft-03", "ietf-draft-05"])
  await check(protocol, await upload({ protocol, chunkSize: 6_000_000 }, { abortAt: 3_000_000 }))

const given = { nonlatin: "słońce", number: 100, filename: "hello.txt", filetype: "text/plain" }
const url = await upload({ source: Buffer.from("hello world"), metadata: given })
assert.equal(await (await fetch(url)).text(), "hello world")
const head = await fetch(url, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } })
const of = (header) => head.headers.get(header)
assert.deepEqual([head.status, of("tus-resumable"), of("upload-offset"), of("upload-length")], [200, "1.0.0", "11", "11"])
const kept = of("upload-metadata").split(",").map((pair) => pair.split(" "))
const read = kept.map(([key, value]) => [key, Buffer.from(value, "base64").toString()])
assert.deepEqual(Object.fromEntries(read), { ...given, number: "100" })
console.log("ok metadata")
await tus.Upload.terminate(url, {})
assert.equal((await fetch(url)).status, 404)
console.log("ok terminated")
