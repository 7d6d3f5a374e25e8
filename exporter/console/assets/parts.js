// Parts of a page that the server renders are fetched anew when what they show may have changed.

import { upgrade } from './badge.js'
import { tick } from './link.js'
import { say, setText } from './words.js'

let wanted = false, under = false

/** refresh fetches the page and takes over the parts that differ. Calls while one is under way, or within the pause after it, are one. */
export async function refresh(pause = 700) {
  wanted = true
  if (under) return
  under = true
  while (wanted) {
    wanted = false
    try {
      const answer = await fetch(location.href, { cache: 'no-store', headers: { Accept: 'text/html' } })
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), 'text/html'))
    } catch {
      // The store says that the exporter is away, and asks again.
    }
    await new Promise((done) => setTimeout(done, pause))
  }
  under = false
}

function take(page) {
  for (const part of document.querySelectorAll('[data-part]')) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`)
    if (!fresh) continue
    enliven(fresh)
    part.toggleAttribute('data-done', fresh.hasAttribute('data-done'))
    const before = stops(part).indexOf(document.activeElement)
    if (textOf(part) === textOf(fresh)) continue
    part.replaceChildren(...document.adoptNode(fresh).childNodes)
    if (before >= 0) stops(part)[before]?.focus()
    part.dispatchEvent(new Event('taken', { bubbles: true }))
  }
  tick()
}

const stops = (part) => [...part.querySelectorAll('a, button, input, select, [tabindex]')]

// Relative times and badges are kept true here, so they are no difference.
function textOf(part) {
  const copy = part.cloneNode(true)
  for (const time of copy.querySelectorAll('time')) time.textContent = ''
  for (const badge of copy.querySelectorAll('[data-badge-of], [data-badge-pipeline]')) badge.replaceChildren()
  return copy.innerHTML
}

/** enliven shows what works with scripts only. */
export function enliven(within) {
  for (const button of within.querySelectorAll('.copy')) button.hidden = false
  upgrade(within)
}

/** copying lets every copy button of the page copy. */
export function copying() {
  document.addEventListener('click', async (e) => {
    const button = e.target.closest?.('[data-copy]')
    if (!button) return
    await copy(button.dataset.copy)
    const before = button.textContent
    setText(button, say('copied'))
    setTimeout(() => setText(button, before), 1_500)
  })
}

// The clipboard's interface is there on HTTPS and localhost only.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'unseen'
    document.body.append(area)
    const focus = document.activeElement
    area.select()
    document.execCommand('copy')
    area.remove()
    focus?.focus()
  }
}
