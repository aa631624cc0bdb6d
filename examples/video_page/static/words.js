// Numbers and errors in plain words. A no-break space keeps a number and its unit in one line.

import { UploadError } from './tus.js'

export function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let power = 0
  while (count >= 1000 && power < units.length - 1) {
    count /= 1000
    power += 1
  }
  return `${count.toFixed(power && count < 100 ? 1 : 0).replace(/\.0$/, '')}\u00a0${units[power]}`
}

export function duration(seconds) {
  const minutes = Math.round(seconds / 60)
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))}\u00a0s`
  if (minutes < 60) return `${minutes}\u00a0min`
  return `${Math.floor(minutes / 60)}\u00a0h ${minutes % 60}\u00a0min`
}

export const tooLarge = (largest) => `The video is larger than ${bytes(largest)}, which is the limit.`
export const PLAIN = {
  0: 'The server does not respond.',
  401: 'You are not signed in. Sign in, then try again.',
  403: 'You may not upload here.',
  415: 'This is not a video.',
  507: 'There is no room for the video.',
}

export function plain(error, largest) {
  if (!(error instanceof UploadError)) return 'The file cannot be read. It may have been moved or changed.'
  if (error.status === 413) return tooLarge(largest)
  return PLAIN[error.status] ?? 'The server cannot take the video now.'
}
