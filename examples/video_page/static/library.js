// The list of videos, and the player.

import { bytes } from './words.js'

const $ = (id) => document.getElementById(id)

export async function showLibrary() {
  const state = $('library-state')
  try {
    const response = await fetch('videos')
    if (!response.ok) throw new Error(response.status)
    const videos = await response.json()
    $('library').replaceChildren(...videos.map(entryOf))
    state.textContent = 'No videos yet. Those that you upload appear here.'
    state.hidden = videos.length > 0
  } catch {
    state.textContent = 'The list cannot be loaded now. It is tried again when the page is shown.'
    state.hidden = false
  }
}

function entryOf(video) {
  const element = $('video').content.firstElementChild.cloneNode(true)
  const when = new Date(video.at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
  element.querySelector('.name').textContent = video.name
  element.querySelector('.about').textContent = `${bytes(video.size)} · ${when}`
  const button = element.querySelector('button')
  button.setAttribute('aria-label', `Play ${video.name}, ${bytes(video.size)}, ${when}`)
  button.onclick = () => play(video)
  return element
}

function play(video) {
  const player = $('player')
  const element = player.querySelector('video')
  const problem = player.querySelector('.notice')
  $('player-title').textContent = video.name
  problem.hidden = true
  problem.querySelector('a').href = `videos/${video.path}?download`
  element.onerror = () => {
    problem.hidden = !player.open
  }
  element.src = `videos/${video.path}`
  player.onclose = () => {
    element.removeAttribute('src')
    element.load() // ends the download
  }
  player.showModal()
  element.play().catch(() => {})
}
