// The uploads on the page: one row for each.

import { showLibrary } from './library.js'
import { fingerprintOf, isLocked, memory, withLock } from './memory.js'
import { Upload, describe, end, maxSize } from './tus.js'
import { PLAIN, bytes, duration, plain, tooLarge } from './words.js'

const ENDPOINT = new URL('files/', document.baseURI).href
const AT_ONCE = 2
const WINDOW = 8000 // milliseconds over which the rate is averaged

const $ = (id) => document.getElementById(id)
const rows = new Map() // by fingerprint, in the order of the page
let largest = Infinity

function announce(text) {
  $('announcer').textContent = text
}

// One row: a file and its upload

class Row {
  constructor(fingerprint, { name, size, file = null, url = null, sent = 0 }) {
    Object.assign(this, { fingerprint, name, size, file, url, sent, samples: [], shown: 0 })
    this.element = $('upload').content.firstElementChild.cloneNode(true)
    this.part('name').textContent = name
    this.part('size').textContent = bytes(size)
    this.progress = this.element.querySelector('progress')
    this.progress.setAttribute('aria-label', `Progress of ${name}`)
    this.part('toggle').onclick = () => this.toggle()
    this.part('cancel').onclick = () => this.cancel()
    rows.set(fingerprint, this)
    $('uploads').append(this.element)
    this.set(file ? 'waiting' : 'choose')
    this.draw()
  }

  part(name) {
    return this.element.querySelector(`.${name}`)
  }

  set(state, text) {
    // States: waiting, uploading, retrying, paused, choose (the file again), failed, done.
    const words = {
      waiting: 'Waiting for other uploads',
      paused: `Paused at ${this.percent()}`,
      choose: `${this.percent()} uploaded. Choose the file again to continue.`,
      done: 'Uploaded',
    }
    const actions = { uploading: 'Pause', retrying: 'Pause', waiting: 'Pause', choose: 'Choose', failed: 'Try again' }
    const action = actions[state] ?? 'Resume'
    this.state = this.element.dataset.state = state
    delete this.element.dataset.wrong
    this.part('state').textContent = text ?? words[state] ?? ''
    this.button('toggle', action, state === 'done')
    this.button('cancel', state === 'done' || (state === 'failed' && !this.url) ? 'Dismiss' : 'Cancel')
  }

  button(part, words, isHidden = false) {
    const button = this.part(part)
    button.textContent = words
    button.setAttribute('aria-label', `${words} ${this.name}`)
    button.hidden = isHidden
  }

  percent() {
    return `${Math.floor((100 * this.sent) / (this.size || 1))} %`
  }

  draw() {
    this.progress.value = this.size ? this.sent / this.size : this.state === 'done' ? 1 : 0
  }

  toggle() {
    if (this.state === 'choose') chooseAgain(this)
    else if (['paused', 'failed'].includes(this.state)) this.queue()
    else this.pause()
  }

  queue() {
    this.set('waiting')
    startNext()
  }

  pause() {
    this.stop?.abort(new DOMException('paused', 'AbortError'))
    this.set('paused')
    announce(`${this.name}: paused`)
    startNext()
  }

  async run() {
    // One tab at a time, and not before an earlier attempt of this row has ended.
    this.stop = new AbortController()
    const { signal } = this.stop
    this.running = (this.running ?? Promise.resolve())
      .then(() => withLock(this.fingerprint, signal, () => this.upload(signal)))
      .catch((error) => {
        if (!signal.aborted) throw error // aborted while another tab held the lock
      })
    this.set('uploading', 'Starting …')
    announce(`${this.name}: uploading`)
    const running = this.running
    await running
    if (this.running === running) this.running = null
    startNext()
  }

  async upload(signal) {
    const upload = new Upload(ENDPOINT, this.file, { filename: this.name.slice(-200), filetype: this.file.type }, {
      url: this.url,
      onCreated: (url) => this.created(url),
      onProgress: (sent) => signal.aborted || this.sending(sent),
      onWait: (error, wait) => this.retrying(error, wait),
    })
    this.samples = []
    try {
      signal.throwIfAborted()
      await upload.run(signal)
      signal.throwIfAborted()
      this.finish()
    } catch (error) {
      this.url = upload.url
      if (signal.aborted) return
      this.set('failed', plain(error, largest))
      announce(`${this.name} failed. ${plain(error, largest)}`)
    }
  }

  created(url) {
    this.url = url
    memory.put(this.fingerprint, { url, name: this.name, size: this.size })
  }

  sending(sent) {
    const now = performance.now()
    if (sent < this.sent) this.samples = []
    this.sent = sent
    this.samples.push([now, sent])
    while (this.samples.length > 2 && now - this.samples[1][0] > WINDOW) this.samples.shift()
    this.draw()
    if (this.state === 'uploading' && now - this.shown < 500 && sent < this.size) return
    this.shown = now
    this.set('uploading', this.words(now))
  }

  words(now) {
    if (this.sent === this.size) return 'Finishing …'
    const [began, first] = this.samples[0]
    const rate = (1000 * (this.sent - first)) / (now - began)
    const known = now - began > 1000 && rate > 0
    const speed = known ? ` · ${bytes(rate)}/s · ${duration((this.size - this.sent) / rate)} left` : ''
    return `${this.percent()}${speed}`
  }

  retrying(error, wait) {
    const isOffline = !navigator.onLine
    const reason = isOffline ? 'You are offline.' : plain(error, largest)
    const next = isOffline ? 'Waiting for the connection …' : `Trying again in ${duration(wait / 1000)} …`
    // Said once, not before each attempt.
    if (this.state !== 'retrying') announce(`${this.name}: ${reason} The upload continues by itself.`)
    this.set('retrying', `${reason} ${next}`)
  }

  finish() {
    this.sent = this.size
    memory.remove(this.fingerprint)
    this.url = null
    this.set('done')
    this.draw()
    announce(`${this.name}: uploaded`)
    showLibrary()
  }

  async cancel() {
    const isUnfinished = this.state !== 'done'
    this.stop?.abort(new DOMException('cancelled', 'AbortError'))
    this.remove()
    if (isUnfinished) announce(`${this.name}: cancelled`)
    await this.running // a creation in flight tells its URL
    memory.remove(this.fingerprint)
    if (this.url) await end(this.url).catch(() => {}) // what remains expires within a day
  }

  remove() {
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling
    this.element.remove()
    rows.delete(this.fingerprint)
    ;(next?.querySelector('.cancel') ?? $('files')).focus()
    startNext()
  }
}

function startNext() {
  const all = [...rows.values()]
  const busy = all.filter((row) => ['uploading', 'retrying'].includes(row.state)).length
  for (const row of all.filter((row) => row.state === 'waiting').slice(0, Math.max(0, AT_ONCE - busy))) row.run()
}

// Choosing files

async function add(files) {
  $('refused').replaceChildren()
  for (const file of files) {
    const fingerprint = fingerprintOf(file)
    const row = rows.get(fingerprint)
    if (row?.state === 'choose') continueWith(row, file)
    else if (row && row.state !== 'done') refuse(file, 'This video is in the list already.')
    else if (!file.type.startsWith('video/')) refuse(file, PLAIN[415])
    else if (file.size > largest) refuse(file, tooLarge(largest))
    else if (await isLocked(fingerprint)) refuse(file, 'Another tab uploads this video.')
    else {
      row?.remove()
      new Row(fingerprint, { name: file.name, size: file.size, file, url: memory.get(fingerprint)?.url })
    }
  }
  startNext()
}

function refuse(file, reason) {
  const line = document.createElement('p')
  line.className = 'notice error'
  line.textContent = `${file.name}: ${reason}`
  $('refused').append(line)
}

function chooseAgain(row) {
  const input = $('again')
  input.onchange = () => {
    const [file] = input.files
    input.value = ''
    if (!file) return
    if (fingerprintOf(file) === row.fingerprint) return continueWith(row, file)
    row.set('choose', `That is another file. Choose ${row.name} of ${bytes(row.size)}, as it was.`)
    row.element.dataset.wrong = ''
    announce(`That is another file than ${row.name}`)
  }
  input.click()
}

function continueWith(row, file) {
  row.file = file
  row.queue()
}

function takeFiles() {
  const input = $('files')
  input.onchange = () => {
    const files = [...input.files]
    input.value = '' // the same file may be chosen again
    add(files)
  }
  // The whole page takes files, so that a file dropped beside the box does not replace the page.
  const over = (is) => $('drop').classList.toggle('over', is)
  addEventListener('dragover', (event) => {
    event.preventDefault()
    over(event.dataTransfer.types.includes('Files'))
  })
  addEventListener('dragleave', (event) => event.relatedTarget ?? over(false))
  addEventListener('drop', (event) => {
    event.preventDefault()
    over(false)
    add([...event.dataTransfer.files])
  })
}

// After a reload: uploads whose file is not known any more

async function recall(fingerprint) {
  const entry = memory.get(fingerprint)
  if (!entry?.url || rows.has(fingerprint) || (await isLocked(fingerprint))) return
  const found = await describe(entry.url).catch(() => ({ offset: 0 })) // a server that is away may be back later
  if (!found || found.offset === entry.size) {
    memory.remove(fingerprint)
    showLibrary() // the question may have finished the upload
  } else if (!rows.has(fingerprint)) new Row(fingerprint, { ...entry, sent: found.offset })
}

// Start

function showConnection() {
  $('connection').hidden = navigator.onLine
}

addEventListener('online', showConnection)
addEventListener('offline', showConnection)
addEventListener('beforeunload', (event) => {
  if ([...rows.values()].some((row) => row.running)) event.preventDefault()
})
document.addEventListener('visibilitychange', () => document.hidden || showLibrary())

takeFiles()
showConnection()
showLibrary()
maxSize(ENDPOINT)
  .then((size) => {
    largest = size
    if (Number.isFinite(size)) $('limit').textContent = `Up to ${bytes(size)} each`
  })
  .catch(() => {})
for (const fingerprint of memory.all()) recall(fingerprint)
