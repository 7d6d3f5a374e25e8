// Badges: what is under way in a scope, or failed and was not repaired since.

import { keyOf } from './store.js'
import { address, make, setText } from './words.js'

/** hrefOf is the address of a scope's page. */
export const hrefOf = (s) => address(`scopes/${s.module}/${s.year}`)

/** upgrade makes the links that badges are without scripts into buttons that open details. */
export function upgrade(within) {
  for (const b of within.querySelectorAll('.badge:not([role])')) {
    b.setAttribute('role', 'button')
    b.setAttribute('aria-haspopup', 'dialog')
    b.setAttribute('aria-expanded', 'false')
  }
}

/** setBadge shows a scope's badge in a place, or none. The element stays the same, with its focus. */
export function setBadge(place, scope) {
  let b = place.querySelector(':scope > .badge')
  if (!scope?.badge) {
    b?.remove()
    return
  }
  if (!b) {
    b = make('a', { class: 'badge', 'data-scope': keyOf(scope), href: hrefOf(scope) + '#now' }, make('i'), make('span'))
    place.append(b)
    upgrade(place)
  }
  const kind = `badge ${scope.badge.kind}`
  if (b.className !== kind) b.className = kind
  if (b.dataset.scope !== keyOf(scope)) {
    b.dataset.scope = keyOf(scope)
    b.href = hrefOf(scope) + '#now'
  }
  setText(b.lastElementChild, scope.badge.text)
}

/** fillSlots shows the badges of those places outside of the map that ask for one. */
export function fillSlots(store) {
  for (const slot of document.querySelectorAll('[data-badge-of]')) setBadge(slot, store.scopes.get(slot.dataset.badgeOf))
  const slots = document.querySelectorAll('[data-badge-pipeline]')
  if (!slots.length) return
  const of = new Map()
  for (const s of store.scopes.values()) if (s.badge?.pipeline_id) of.set(s.badge.pipeline_id, s)
  for (const slot of slots) setBadge(slot, of.get(slot.dataset.badgePipeline))
}
