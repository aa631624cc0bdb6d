// Client of tus 1.0.0 (https://tus.io): creates, resumes and ends one upload. It knows no page.

const CHUNK = 20 * 1024 * 1024 // a multiple of the server's part size, 5 MiB, costs the store the fewest requests
const SILENCE = 45_000 // milliseconds without progress after which a connection counts as broken
const LONGEST_WAIT = 30_000
const MOST_FAILURES = 8 // in a row, without a byte of progress
const FINAL = new Set([400, 401, 403, 404, 410, 412, 413, 415, 431, 507])

export class UploadError extends Error {
  // `status` is the HTTP status, or 0 if no response came.
  constructor(status, message = '', retryAfter = 0) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

function send(method, url, { headers = {}, body = null, signal, onProgress } = {}) {
  // XMLHttpRequest, because fetch does not report the progress of a body.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    let timer
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => request.abort(), SILENCE)
    }
    const abort = () => request.abort()
    request.open(method, url)
    request.setRequestHeader('Tus-Resumable', '1.0.0')
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => {
      watch()
      onProgress?.(event.loaded)
    }
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(request)
      const after = Number(request.getResponseHeader('Retry-After')) || 0
      reject(new UploadError(request.status, request.responseText.trim(), after * 1000))
    }
    request.onerror = () => reject(new UploadError(0))
    request.onabort = () => reject(signal?.aborted ? signal.reason : new UploadError(0))
    request.onloadend = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    if (signal?.aborted) return reject(signal.reason)
    signal?.addEventListener('abort', abort)
    watch()
    request.send(body)
  })
}

function encode(metadata) {
  const base64 = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text)))
  return Object.entries(metadata).map(([name, value]) => `${name} ${base64(value)}`).join(',')
}

function pause(milliseconds, signal) {
  // Ends early when the browser is online again.
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      removeEventListener('online', end)
      signal.removeEventListener('abort', end)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, milliseconds)
    addEventListener('online', end)
    signal.addEventListener('abort', end)
  })
}

export async function maxSize(endpoint) {
  // Bytes that the server takes; Infinity if it does not say.
  const response = await send('OPTIONS', endpoint)
  return Number(response.getResponseHeader('Tus-Max-Size')) || Infinity
}

export async function describe(url) {
  // Returns { offset, length } of an upload, or null if it is gone.
  try {
    const response = await send('HEAD', url)
    const [offset, length] = ['Upload-Offset', 'Upload-Length'].map((name) => Number(response.getResponseHeader(name)))
    return { offset, length }
  } catch (error) {
    if ([403, 404, 410].includes(error.status)) return null
    throw error
  }
}

export async function end(url) {
  // Removes an upload from the server. One that is gone already is no error.
  await send('DELETE', url).catch((error) => {
    if (![404, 410].includes(error.status)) throw error
  })
}

export class Upload {
  // Callbacks: onCreated(url), onProgress(bytes sent), onWait(error, milliseconds) before each retry.
  constructor(endpoint, file, metadata, { url = null, ...callbacks }) {
    Object.assign(this, { endpoint, file, metadata, url, callbacks, reached: 0, failures: 0 })
  }

  async run(signal) {
    // Returns when the server has the whole file. Throws an UploadError, or the reason of `signal`.
    let offset = null // unknown: ask the server
    while (offset !== this.file.size) {
      try {
        offset = offset === null ? await this.#locate(signal) : await this.#append(offset, signal)
      } catch (error) {
        if (!(error instanceof UploadError)) throw error
        await this.#recover(error, signal)
        offset = null
      }
    }
  }

  async #locate(signal) {
    const found = this.url && (await describe(this.url))
    signal.throwIfAborted()
    if (found) return this.#reach(found.offset)
    const headers = { 'Upload-Length': this.file.size, 'Upload-Metadata': encode(this.metadata) }
    // Not aborted by `signal`: an upload whose URL is lost could not be ended.
    const response = await send('POST', this.endpoint, { headers })
    this.url = new URL(response.getResponseHeader('Location'), response.responseURL).href
    this.callbacks.onCreated(this.url)
    signal.throwIfAborted()
    return this.#reach(0)
  }

  async #append(offset, signal) {
    const headers = { 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream' }
    const body = this.file.slice(offset, offset + CHUNK)
    const onProgress = (sent) => {
      this.callbacks.onProgress(offset + sent)
    }
    const response = await send('PATCH', this.url, { headers, body, signal, onProgress })
    return this.#reach(Number(response.getResponseHeader('Upload-Offset')))
  }

  #reach(offset) {
    if (offset > this.reached) this.failures = 0
    this.reached = offset
    this.callbacks.onProgress(offset)
    return offset
  }

  async #recover(error, signal) {
    // Waits before the next attempt, or throws what another attempt cannot change.
    if (!error.status) await this.file.slice(0, 1).arrayBuffer() // throws if the file was moved or changed
    const isGone = this.url && [404, 410].includes(error.status)
    if (isGone) this.url = null // expired: begin again
    else if (FINAL.has(error.status)) throw error
    if (navigator.onLine && ++this.failures > MOST_FAILURES) throw error
    const backoff = Math.min(LONGEST_WAIT, 500 * 2 ** this.failures) * (0.75 + Math.random() / 2)
    const wait = Math.max(error.retryAfter, backoff)
    this.callbacks.onWait(error, wait)
    await pause(wait, signal)
  }
}
