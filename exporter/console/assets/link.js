// How it stands with the exporter: a light in the header, a banner when nothing is known, and what is
// said to who does not see the page change.

import { tallyOf, verdict } from './verdict.js'
import { ago, exact, now, say, setText } from './words.js'

const by = (id) => document.getElementById(id)

/** start shows the standing of the store. */
export function start(store) {
  const light = by('link')
  light.hidden = false
  let wasBad = false
  const show = () => {
    const bad = store.link === 'lost' || store.link === 'unread' || store.link === 'denied'
    light.dataset.link = store.link
    setText(by('link-text'), say(bad ? 'live.lost' : store.link === 'live' ? 'live.ok' : 'live.connecting'))
    document.body.classList.toggle('old', bad)
    by('banner').hidden = !bad
    const when = exact(store.heard)
    if (store.link === 'denied') {
      setText(by('banner-title'), say('live.denied.title'))
      setText(by('banner-text'), say('live.denied.text', { when }))
    } else if (bad) {
      setText(by('banner-title'), say('live.lost.title', { when }))
      setText(by('banner-text'), say(store.link === 'lost' ? 'live.lost.text' : 'live.unread.text'))
    }
    by('banner-link').hidden = store.link !== 'denied'
    if (wasBad && store.link === 'live') announce(say('said.back'))
    wasBad = bad
  }
  store.addEventListener('link', show)
  show()
  store.addEventListener('change', () => setText(by('as-of'), exact(now())))
  follow(store)
  setInterval(tick, 5_000)
}

/** tick keeps relative times true. */
export function tick() {
  for (const time of document.querySelectorAll('time:not(.fixed)')) setText(time, ago(time.dateTime))
}

/** announce says something politely to who listens. */
export const announce = (text) => setText(by('said'), text)

/** follow says which scopes came into another state; how far something is said nobody needs read out. */
function follow(store) {
  const said = new Map()
  const state = (s) => `${s.state} ${s.drift} ${s.badge?.kind ?? ''}`
  let pending = new Set(), timer = 0, first = true
  store.addEventListener('change', (e) => {
    for (const key of e.detail.keys) {
      const s = store.scopes.get(key)
      if (!s || said.get(key) === state(s)) continue
      said.set(key, state(s))
      if (!first) pending.add(key)
    }
    first = false
    if (!pending.size || timer) return
    timer = setTimeout(() => {
      const keys = [...pending].filter((key) => store.scopes.has(key))
      pending = new Set()
      timer = 0
      if (keys.length > 3) return announce(say('said.many', { n: keys.length, verdict: verdict(tallyOf(store.scopes, store.kept)) }))
      announce(keys.map((key) => {
        const s = store.scopes.get(key)
        return say('said.scope', { name: `${s.module} ${s.year}`, state: [say(`state.${s.state}`), s.badge?.text].filter(Boolean).join(', ') })
      }).join('. '))
    }, 1_000)
  })
}
