// Puts a page and the store together.

import { startAbort, startRecalculation } from './ask.js'
import { fillSlots, upgrade } from './badge.js'
import { start as startDetails } from './details.js'
import { start as startLink } from './link.js'
import { start as startMap } from './map.js'
import { copying, enliven, refresh } from './parts.js'
import { Store } from './store.js'

const page = document.body.dataset.page
const store = new Store()

enliven(document)
upgrade(document)
copying()
startLink(store)
startDetails(store)

if (page === 'overview') startMap(store, () => location.reload())
else store.addEventListener('change', () => fillSlots(store))
document.addEventListener('taken', () => fillSlots(store))

if (page === 'scope') {
  startRecalculation()
  const key = document.querySelector('[data-scope-page]').dataset.scopePage
  store.addEventListener('change', (e) => e.detail.keys.includes(key) && refresh())
}
if (page === 'pipeline') {
  startAbort(() => refresh())
  const done = () => document.querySelector('[data-part="progress"]').hasAttribute('data-done')
  store.addEventListener('change', () => done() || refresh())
  // Loads have no scope of their own in the store.
  setInterval(() => done() || document.hidden || refresh(), 5_000)
}
if (page === 'pipelines') store.addEventListener('change', (e) => e.detail.keys.length && refresh(3_000))
if (page === 'fleet') setInterval(() => document.hidden || refresh(), 5_000)

store.start()
