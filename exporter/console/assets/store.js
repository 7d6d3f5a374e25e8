// The one place that holds what is known of every scope, by module type and year. It is read once
// and kept up to date by one stream; every badge on every page comes from here.

import { address, now, setClock } from './words.js'

/** keyOf is the key of a scope. */
export const keyOf = (s) => `${s.module_type_id}/${s.year}`

const silence = 22_000 // ms; a stream says something every 15 s
const longestPause = 15_000 // ms between tries

/**
 * Store tells with the event "change" which scopes have changed (detail.keys), or that some came or
 * went (detail.shape), and with the event "link" how it stands with the exporter:
 * connecting, live, lost, unread (the exporter cannot read the record), denied.
 */
export class Store extends EventTarget {
  scopes = new Map()
  /** kept is false where the record does not know what drifted. */
  kept = true
  link = 'connecting'
  /** heard is when something was known last, by the record's clock, in milliseconds. */
  heard = Date.parse(document.body.dataset.at) || now()

  #at = 0
  #stream = null
  #tries = 0
  #timer = 0

  start() {
    this.#read()
    setInterval(() => this.#listen(), 2_000)
    // Browsers allow few streams to one host: a page that nobody sees gives its own back.
    document.addEventListener('visibilitychange', () => {
      clearTimeout(this.hiding)
      if (document.hidden) this.hiding = setTimeout(() => this.#close(), 60_000)
      else if (!this.#stream) this.#read()
    })
    addEventListener('pagehide', () => this.#close())
    addEventListener('pageshow', (e) => e.persisted && this.#read())
  }

  /** again tries at once. */
  again() {
    this.#tries = 0
    this.#read()
  }

  async #read() {
    this.#close()
    try {
      const answer = await fetch(address('v1/sync/overview'), { cache: 'no-store', headers: { Accept: 'application/json' } })
      if (answer.ok) {
        const overview = await answer.json()
        this.#replace(overview)
        this.#open(overview.event_id)
        return
      }
      this.#standing(answer.status === 401 || answer.status === 403 ? 'denied' : 'unread')
    } catch {
      this.#standing('lost')
    }
    this.#later()
  }

  #later() {
    clearTimeout(this.#timer)
    const pause = Math.min(1_000 * 2 ** this.#tries++, longestPause)
    this.#timer = setTimeout(() => this.#read(), pause)
  }

  /** #open goes on from where the overview was read. */
  #open(eventID) {
    const stream = new EventSource(address(`v1/sync/overview/stream?last_event_id=${eventID}`))
    this.#stream = stream
    stream.addEventListener('overview', (e) => this.#apply(JSON.parse(e.data)))
    stream.addEventListener('ping', () => this.#alive())
    stream.addEventListener('unread', () => this.#standing('unread'))
    stream.addEventListener('error', () => {
      if (stream !== this.#stream) return
      this.#standing('lost')
      // What the server refused, or closed while it drains, the browser may not try again by itself.
      this.#close()
      this.#later()
    })
  }

  #close() {
    clearTimeout(this.#timer)
    this.#stream?.close()
    this.#stream = null
  }

  /** A stream that is open and says nothing is a dead connection that nobody has noticed yet. */
  #listen() {
    if (!this.#stream || this.link !== 'live' || now() - this.heard <= silence) return
    this.#standing('lost')
    this.#close()
    this.#later()
  }

  #alive() {
    this.heard = now()
    this.#tries = 0
    this.#standing('live')
  }

  #standing(link) {
    if (this.link === link) return
    this.link = link
    this.dispatchEvent(new Event('link'))
  }

  #replace(overview) {
    const keys = [], seen = new Set(), first = this.scopes.size === 0
    let shape = false
    for (const s of overview.scopes) {
      const key = keyOf(s), before = this.scopes.get(key)
      seen.add(key)
      if (before && JSON.stringify(before) === JSON.stringify(s)) continue
      shape ||= !before && !first
      this.scopes.set(key, s)
      keys.push(key)
    }
    for (const key of this.scopes.keys()) {
      if (seen.has(key)) continue
      this.scopes.delete(key)
      shape = true
    }
    this.#changed(overview, keys, shape)
  }

  #apply(update) {
    if (Date.parse(update.at) < this.#at) return this.#alive() // the overview knew more; the next update says what has changed since
    if (update.full) return this.#replace(update)
    let shape = false
    for (const s of update.scopes) {
      shape ||= !this.scopes.has(keyOf(s))
      this.scopes.set(keyOf(s), s)
    }
    for (const [module, year] of update.gone ?? []) shape = this.scopes.delete(`${module}/${year}`) || shape
    this.#changed(update, update.scopes.map(keyOf), shape)
  }

  #changed(update, keys, shape) {
    this.#at = Date.parse(update.at)
    setClock(this.#at)
    this.kept = update.drifted !== null
    this.#alive()
    this.dispatchEvent(new CustomEvent('change', { detail: { keys, shape } }))
  }
}
