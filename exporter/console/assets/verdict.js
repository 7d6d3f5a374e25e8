// What is wrong, and how bad. The same as state.go, for a page that stays open.

import { count, say } from './words.js'

export const states = ['fresh', 'no_aggregation_ever', 'pending_aggregation_stuck', 'last_aggregation_failed', 'last_aggregation_too_old']
const sliver = 0.8

/** tallyOf counts the scopes that somebody sees. */
export function tallyOf(scopes, kept) {
  const t = { total: scopes.size, stale: 0, of: Object.fromEntries(states.map((s) => [s, 0])), drifted: 0, failures: 0, running: 0, waiting: 0 }
  for (const s of scopes.values()) {
    t.of[s.state]++
    if (s.state !== 'fresh') t.stale++
    if (s.drift === 'drifted') t.drifted++
    if (s.badge?.kind === 'running') t.running++
    else if (s.badge?.kind === 'waiting') t.waiting++
    else if (s.badge && s.state !== 'last_aggregation_failed') t.failures++
  }
  if (!kept) t.drifted = null
  return t
}

/** verdict is the sentence that answers whether anything is wrong. */
export function verdict(t) {
  if (t.total === 0) return say('verdict.none')
  let text
  if (t.stale > 0) text = count('verdict.stale', t.stale, { total: t.total })
  else text = count(t.failures || t.drifted ? 'verdict.unstale' : 'verdict.fresh', t.total)
  if (t.drifted === null) text += say('verdict.drift.unknown')
  else if (t.drifted > 0) text += count('verdict.drift', t.drifted)
  if (t.failures > 0) text += count('verdict.failures', t.failures)
  return text + '.'
}

export const underWay = (t) => (t.running + t.waiting ? say('underway', t) : say('underway.none'))

const nothing = 7

function rank(s) {
  if (s.state === 'last_aggregation_failed') return 0
  if (s.badge?.kind === 'failed') return 1
  if (s.state === 'pending_aggregation_stuck') return s.badge?.kind === 'running' ? 6 : 2
  if (s.state === 'no_aggregation_ever') return 3
  if (s.state === 'last_aggregation_too_old') return 4
  return s.drift === 'drifted' ? 5 : nothing
}

/** wrong lists what is wrong, worst first and then the longest; what has no time comes last of its kind. */
export function wrong(scopes, show) {
  const found = []
  for (const s of scopes.values()) {
    if (rank(s) === nothing || (show && s.state !== show && !(show === 'drifted' && s.drift === show))) continue
    found.push({ s, rank: rank(s), since: s.since === null ? Infinity : Date.parse(s.since) })
  }
  found.sort((a, b) => a.rank - b.rank || (a.since === b.since ? 0 : a.since - b.since) || a.s.module_type_id - b.s.module_type_id || a.s.year - b.s.year)
  return found.map(({ s }) => s)
}

/** gauge shares a line of 100 % among the states. */
export function gauge(t) {
  const widths = states.map((s) => (t.of[s] ? Math.max((100 * t.of[s]) / t.total, sliver) : 0))
  const sum = widths.reduce((a, b) => a + b, 0) || 1
  let x = 0
  return widths.map((w) => {
    const part = { x: `${x.toFixed(2)}%`, width: `${((w * 100) / sum).toFixed(2)}%` }
    x += (w * 100) / sum
    return part
  })
}
