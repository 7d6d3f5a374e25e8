// The map and what is above it. An update touches the cells that have changed and no other.

import { hrefOf, setBadge } from './badge.js'
import { keyOf } from './store.js'
import { brief, exact, make, say, setText, when } from './words.js'
import { gauge, states, tallyOf, underWay, verdict, wrong } from './verdict.js'

const listed = 40 // as map.go
const map = document.getElementById('map')
const list = document.getElementById('wrong')

/** start keeps the page true. When scopes come or go, reshape fetches the map anew. */
export function start(store, reshape) {
  let show = new URLSearchParams(location.search).get('show') ?? ''
  const all = () => {
    const t = tallyOf(store.scopes, store.kept)
    summary(t)
    document.title = document.title.replace(/^.*·/, `${t.stale ? say('map.title', { n: t.stale }) : say('map.title.quiet')} ·`)
    worst(store, show)
  }
  store.addEventListener('change', (e) => {
    if (e.detail.shape) reshape()
    else for (const key of e.detail.keys) paint(store.scopes.get(key))
    all()
  })
  document.getElementById('legend').addEventListener('click', (e) => {
    const choice = e.target.closest('a[data-show]')
    if (!choice || e.ctrlKey || e.metaKey || e.shiftKey || !store.scopes.size) return
    e.preventDefault()
    show = choice.getAttribute('aria-current') ? '' : choice.dataset.show
    history.replaceState(null, '', show ? `?show=${show}` : location.pathname)
    for (const a of document.querySelectorAll('#legend a')) {
      a.toggleAttribute('aria-current', a.dataset.show === show)
      if (a.dataset.show === show) a.setAttribute('aria-current', 'true')
      a.setAttribute('href', a.dataset.show === show ? './' : `?show=${a.dataset.show}`)
    }
    if (map) map.dataset.show = show
    worst(store, show)
  })
  map?.addEventListener('keydown', arrows)
}

const cellOf = (s) => document.getElementById(`c${s.module_type_id}-${s.year}`)

const labelOf = (s) =>
  `${s.module} ${s.year}: ${say(`state.${s.state}`)}${s.since === null ? '' : ` ${say('since', { when: exact(s.since) })}`}${s.drift === 'drifted' ? `, ${say('state.drifted')}` : ''}`

function paint(s) {
  const cell = s && cellOf(s)
  if (!cell) return
  const kind = `cell ${s.state}${s.drift === 'drifted' ? ' drifted' : ''}`
  if (cell.className !== kind) cell.className = kind
  const label = labelOf(s)
  if (cell.title !== label) {
    cell.title = label
    cell.setAttribute('aria-label', label)
    setText(cell.lastElementChild, brief(s.since))
  }
  setBadge(cell.parentElement, s)
}

function summary(t) {
  setText(document.getElementById('verdict'), verdict(t))
  setText(document.getElementById('underway'), underWay(t))
  const parts = document.querySelectorAll('#gauge .part')
  gauge(t).forEach((part, i) => {
    for (const name of ['x', 'width']) if (parts[i] && parts[i].getAttribute(name) !== part[name]) parts[i].setAttribute(name, part[name])
  })
  for (const state of [...states, 'drifted']) {
    const item = document.querySelector(`#legend [data-show="${state}"]`)
    const n = state === 'drifted' ? t.drifted : t.of[state]
    setText(item.querySelector('b'), n === null ? '?' : String(n))
    item.classList.toggle('zero', !n)
  }
}

// Items of the list are made anew only for scopes that have changed, so that a focus stays.
const items = new Map()

function worst(store, show) {
  const found = wrong(store.scopes, show), some = found.slice(0, listed)
  const lines = some.map((s) => {
    const known = items.get(keyOf(s))
    if (known?.scope === s) return known.line
    const line = known?.line ?? list.querySelector(`:scope > [data-scope="${keyOf(s)}"]`) ?? make('li', { 'data-scope': keyOf(s) })
    fillLine(line, s)
    items.set(keyOf(s), { scope: s, line })
    return line
  })
  for (const key of [...items.keys()]) if (!some.some((s) => keyOf(s) === key)) items.delete(key)
  lines.forEach((line, i) => list.children[i] !== line && list.insertBefore(line, list.children[i] ?? null))
  while (list.children.length > lines.length) list.lastElementChild.remove()
  setText(document.getElementById('wrong-count'), String(found.length))
  document.getElementById('wrong-none').hidden = found.length > 0
  const more = document.getElementById('wrong-more')
  more.hidden = found.length <= some.length
  setText(more, say('wrong.more', { n: found.length - some.length }))
}

const stateOf = (state) => make('span', { class: `state ${state}` }, make('i'), say(`state.${state}`))

function fillLine(line, s) {
  const badge = line.querySelector(':scope > .badge'), name = line.querySelector(':scope > .name')
  line.className = s.state
  const children = [name ?? make('a', { class: 'name', href: hrefOf(s) }, `${s.module} `, make('b', {}, String(s.year))), ' ']
  if (s.state !== 'fresh' || s.drift !== 'drifted') children.push(stateOf(s.state))
  if (s.drift === 'drifted') children.push(stateOf('drifted'))
  if (s.since) children.push(' ', make('span', { class: 'since' }, when(s.since)))
  children.push(' ')
  // The focus would be lost if what has it left the page for a moment.
  for (const old of [...line.childNodes]) if (old !== name && old !== badge) old.remove()
  const at = children.indexOf(name)
  if (name) name.after(...children.slice(at + 1))
  else line.prepend(...children)
  setBadge(line, s)
}

/** arrows move the focus from cell to cell. */
function arrows(e) {
  const cell = e.target.closest('td')
  if (!cell || e.ctrlKey || e.metaKey || e.altKey) return
  const row = cell.parentElement, rows = row.parentElement.rows
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, 1, 0], End: [0, -1, row.cells.length] }
  if (!steps[e.key]) return
  e.preventDefault()
  const [dy, dx, from = cell.cellIndex] = steps[e.key]
  let y = row.sectionRowIndex, x = from
  for (y += dy, x += dx; rows[y]?.cells[x] && x > 0; y += dy, x += dx) {
    const link = rows[y].cells[x].querySelector('.cell')
    if (link) return link.focus()
  }
}
