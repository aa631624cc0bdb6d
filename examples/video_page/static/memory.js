// What the browser remembers of unfinished uploads, by the fingerprint of the file.

const STORED = 'video-page:'

export const fingerprintOf = (file) => [file.name, file.size, file.lastModified, file.type].join('|')

const isOurs = (key) => key.startsWith(STORED)

export const memory = {
  put: (fingerprint, entry) => attempt(() => localStorage.setItem(STORED + fingerprint, JSON.stringify(entry))),
  get: (fingerprint) => attempt(() => JSON.parse(localStorage.getItem(STORED + fingerprint))),
  remove: (fingerprint) => attempt(() => localStorage.removeItem(STORED + fingerprint)),
  all: () => (attempt(() => Object.keys(localStorage)) ?? []).filter(isOurs).map((key) => key.slice(STORED.length)),
}

function attempt(action) {
  // A browser may forbid the storage. Then uploads resume until the page is left.
  try {
    return action()
  } catch {
    return null
  }
}

export async function isLocked(fingerprint) {
  // Whether a tab, this one included, uploads the file.
  const { held } = (await navigator.locks?.query()) ?? { held: [] }
  return held.some((lock) => lock.name === STORED + fingerprint)
}

export function withLock(fingerprint, signal, action) {
  // Browsers have locks on secure pages only. Without one, two tabs take turns, because the server lets one write.
  return navigator.locks ? navigator.locks.request(STORED + fingerprint, { signal }, action) : action()
}
