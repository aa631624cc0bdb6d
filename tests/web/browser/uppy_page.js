// Uppy in a page, with the few functions that the tests call.
import AwsS3 from "@uppy/aws-s3"
import Uppy from "@uppy/core"
import Tus from "@uppy/tus"

let sent = {}
let waiting = []

// Asks the server to sign each request of Uppy 6, which is the third way that it has.
const signer = (url) => async (request) => {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(request) })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}

window.start = (plugin, { signUrl, ...options }) => {
  const signing = signUrl ? { signRequest: signer(signUrl) } : {}
  window.uppy = new Uppy({ autoProceed: false }).use({ Tus, AwsS3 }[plugin], { ...options, ...signing })
  uppy.on("file-added", (file) => uppy.setFileMeta(file.id, { size: file.size }))
  uppy.on("upload-progress", (file, { bytesUploaded }) => {
    sent[file.id] = bytesUploaded
    const total = Object.values(sent).reduce((sum, each) => sum + each, 0)
    waiting = waiting.filter(({ bytes, resolve }) => (total >= bytes ? resolve() : true))
  })
}

// The same file at each call, as if the user had chosen it again.
window.add = async (name, url) => {
  const file = new File([await (await fetch(url)).blob()], name, { type: "video/mp4", lastModified: 1 })
  return uppy.addFile({ name, type: file.type, data: file, source: "test" })
}

window.upload = async () => {
  const { successful, failed } = await uppy.upload()
  return { successful: successful.map((file) => file.name), failed: failed.map((file) => [file.name, file.error]) }
}

window.progressed = (bytes) => new Promise((resolve) => waiting.push({ bytes, resolve }))
