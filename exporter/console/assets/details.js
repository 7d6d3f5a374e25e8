// The details of a badge: a small dialog beside it. A pointer that rests on the badge, or the
// focus, lets it show; a click, a touch or Enter lets it stay and moves the focus in. Escape closes
// it, and the focus returns.

import { hrefOf } from './badge.js'
import { address, has, make, say, when } from './words.js'

const box = document.getElementById('details')
const narrow = matchMedia('(max-width: 600px)')

let store, anchor = null, key = '', stays = false, timer = 0

/** start listens for the whole page, whatever badges come and go. */
export function start(from) {
  store = from
  store.addEventListener('change', (e) => anchor && e.detail.keys.includes(key) && fill())
  document.addEventListener('click', click)
  document.addEventListener('keydown', keydown)
  document.addEventListener('pointerover', (e) => e.pointerType === 'mouse' && hover(e.target))
  document.addEventListener('focusin', focusin)
  addEventListener('scroll', (e) => anchor && e.target !== box && !box.contains(e.target) && place(), { capture: true, passive: true })
  addEventListener('resize', () => anchor && place())
}

const badgeOf = (target) => (target instanceof Element ? target.closest('.badge') : null)

function click(e) {
  const badge = badgeOf(e.target)
  if (badge && !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0) {
    e.preventDefault()
    if (anchor === badge && stays) return close(true)
    open(badge)
    stays = true
    box.focus()
    return
  }
  if (e.target.closest?.('[data-close]')) return close(true)
  if (anchor && !box.contains(e.target)) close(false)
}

function keydown(e) {
  if (e.key === ' ' && badgeOf(e.target)) {
    e.preventDefault()
    e.target.click()
  }
  if (!anchor) return
  if (e.key === 'Escape') {
    e.preventDefault()
    close(stays || box.contains(document.activeElement))
  }
  if (e.key === 'Tab' && box.contains(document.activeElement)) {
    const stops = [...box.querySelectorAll('a, button')]
    const leaves = e.shiftKey ? document.activeElement === stops[0] || document.activeElement === box : document.activeElement === stops.at(-1)
    if (leaves) {
      e.preventDefault()
      close(true)
    }
  }
}

function hover(target) {
  const badge = badgeOf(target)
  clearTimeout(timer)
  if (badge && badge !== anchor && !stays) timer = setTimeout(() => open(badge), 250)
  else if (!badge && anchor && !stays && !box.contains(target) && document.activeElement !== anchor) timer = setTimeout(() => close(false), 300)
}

function focusin(e) {
  const badge = badgeOf(e.target)
  if (badge && badge !== anchor && badge.matches(':focus-visible') && badge !== returned) open(badge)
  else if (!badge && anchor && !box.contains(e.target)) close(false)
  if (badge !== returned) returned = null
}

// returned is the badge that has just got its focus back: that must not open it again.
let returned = null

function open(badge) {
  clearTimeout(timer)
  if (anchor !== badge) {
    close(false)
    anchor = badge
    key = badge.dataset.scope
    fill()
    badge.setAttribute('aria-expanded', 'true')
    box.showPopover()
  }
  place()
}

function close(back) {
  clearTimeout(timer)
  if (!anchor) return
  const was = anchor
  anchor = null
  stays = false
  was.setAttribute('aria-expanded', 'false')
  if (box.matches(':popover-open')) box.hidePopover()
  if (!back) return
  // The badge may be gone, because what it was about is over; then its scope is next.
  const [module, year] = key.split('/')
  const next = was.isConnected ? was : document.getElementById(`c${module}-${year}`) ?? document.getElementById('main')
  returned = was.isConnected ? was : null
  next.focus()
}

/** place puts the box beside its badge; a narrow screen has it at the bottom. */
function place() {
  box.style.left = box.style.top = ''
  if (narrow.matches || !anchor.isConnected) return
  const at = anchor.getBoundingClientRect(), size = box.getBoundingClientRect()
  const below = at.bottom + 6 + size.height < innerHeight || at.top < size.height + 6
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`
  box.style.top = `${below ? Math.min(at.bottom + 6, Math.max(8, innerHeight - size.height - 8)) : at.top - size.height - 6}px`
}

const typeOf = (j) => (j.data_entry_type ? say('job.emission_recalc.of', { type: j.data_entry_type }) : has(`job.${j.job_type}`) ? say(`job.${j.job_type}`) : j.job_type)

function fill() {
  const scope = store.scopes.get(key)
  const focused = box.contains(document.activeElement) ? [...box.querySelectorAll('a, button')].indexOf(document.activeElement) : -2
  box.replaceChildren()
  if (!scope) return
  const name = `${scope.module} ${scope.year}`, badge = scope.badge
  box.setAttribute('aria-label', say(badge?.kind === 'failed' ? 'details.label.failed' : 'details.label', { name }))
  box.append(
    make('header', {}, make('a', { class: 'name', href: hrefOf(scope) }, `${scope.module} `, make('b', {}, String(scope.year))), make('span', { class: `state ${scope.state}` }, make('i'), say(`state.${scope.state}`)),
      make('button', { type: 'button', class: 'close', 'data-close': '', 'aria-label': say('details.close') }, '×')),
    make('p', { class: `text ${badge?.kind ?? ''}` }, badge ? badge.text : say('details.quiet')),
  )
  if (badge) {
    const id = badge.pipeline_id
    box.append(make('p', { class: 'pipeline' }, `${say('details.pipeline')} `,
      ...(id ? [make('a', { class: 'id', href: address(`pipelines/${id}`) }, id), ' ', make('button', { type: 'button', class: 'copy', 'data-copy': id, 'aria-label': say('details.copy') }, say('copy'))] : [say('details.nopipeline')])))
    box.append(make('ul', { class: 'lines' }, ...badge.jobs.map(line)))
  }
  if (focused > -2) ([...box.querySelectorAll('a, button')][focused] ?? box).focus()
}

function line(j) {
  const outcome = j.state === 'FINISHED' ? j.result : j.state
  const times = make('span', { class: 'times' })
  if (j.started_at) times.append(`${say('details.started')} `, when(j.started_at))
  if (j.finished_at) times.append(`${j.started_at ? ', ' : ''}${say('details.finished')} `, when(j.finished_at))
  const item = make('li', {}, make('span', { class: 'what' }, make('b', {}, typeOf(j)), ' ', make('span', { class: 'id' }, `#${j.job_id}`), ' ', make('span', { class: `outcome ${outcome}` }, outcome),
    ...(j.percent === null ? [] : [' ', make('span', { class: 'nowrap' }, make('progress', { max: 100, value: j.percent, 'aria-label': say('job.progress') }), ` ${j.percent} %`)])), times)
  if (j.waits_for) item.append(make('span', { class: 'waits' }, say('details.waits', { what: j.waits_for })))
  if (j.message) item.append(j.result === 'ERROR' ? make('pre', { class: 'error' }, j.message) : make('p', { class: 'message' }, j.message))
  return item
}
