// Requests to the API: a recalculation, an abort.

import { address, has, make, say } from './words.js'

// A key stays until the exporter has answered, so that pressing again after a lost connection
// repeats the request instead of making another.
let key = ''

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)) // randomUUID is there on HTTPS and localhost only
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')
}

async function post(path, reason, headers = {}) {
  const answer = await fetch(address(path), { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ reason }) })
  const body = await answer.json().catch(() => ({}))
  return { ok: answer.ok, body, detail: body.detail ?? `${answer.status} ${answer.statusText}` }
}

const typeOf = (type) => (has(`job.${type}`) ? say(`job.${type}`) : type)

/** startRecalculation lets the form of a scope's page send its request. */
export function startRecalculation() {
  const form = document.getElementById('ask-form')
  if (!form) return
  const button = document.getElementById('ask-button'), answer = document.getElementById('ask-answer')
  // Which of them is asked of recalculations only.
  const which = form.querySelector('.radio')
  form.elements.type.addEventListener('change', () => which.toggleAttribute('hidden', form.elements.type.value === 'aggregation'))
  form.addEventListener('submit', async (e) => {
    e.preventDefault()
    const given = new FormData(form), type = given.get('type')
    key ||= newKey()
    button.disabled = true
    answer.className = 'answer'
    answer.replaceChildren(say('answer.sending'))
    const path = type === 'aggregation' ? `v1/sync/aggregate/${form.dataset.module}?year=${form.dataset.year}` : `v1/sync/recalculate-emissions/${form.dataset.module}${type ? `/${type}` : ''}?year=${form.dataset.year}&only_stale=${given.get('which') === 'stale'}`
    try {
      const { ok, body, detail } = await post(path, given.get('reason'), { 'Idempotency-Key': key })
      key = ''
      if (ok) {
        answer.classList.add('good')
        answer.replaceChildren(
          make('ul', {}, ...body.jobs.map((j) => make('li', {}, say('answer.job', { id: `#${j.job_id}`, type: typeOf(j.job_type), outcome: say(`answer.${j.outcome}`) })))),
          make('a', { href: address(`pipelines/${body.pipeline_id}`) }, say('answer.pipeline', { id: body.pipeline_id.slice(0, 8) })),
        )
        form.elements.reason.value = ''
      } else {
        answer.classList.add('bad')
        answer.replaceChildren(say('answer.failed', { detail }))
      }
    } catch {
      answer.classList.add('bad')
      answer.replaceChildren(say('answer.lost'))
    }
    button.disabled = false
    button.focus()
  })
}

function whatBecame(aborted) {
  if (aborted.outcome === 'finished') return say('abort.late')
  if (aborted.outcome === 'aborted_before') return say('abort.before', { actor: aborted.actor })
  return say('abort.done', { jobs: aborted.jobs.map((j) => say('abort.job', { id: `#${j.job_id}`, outcome: say(`abort.outcome.${j.outcome}`) })).join(', ') })
}

/** startAbort lets the page of a pipeline abort it, after a question. */
export function startAbort(done) {
  const dialog = document.getElementById('abort-dialog'), answer = document.getElementById('abort-answer')
  if (!dialog) return
  document.addEventListener('click', (e) => {
    if (e.target.closest?.('#abort-button')) dialog.showModal()
    if (e.target.closest?.('#abort-cancel')) dialog.close()
  })
  dialog.querySelector('form').addEventListener('submit', async (e) => {
    const reason = new FormData(e.target).get('reason')
    answer.className = 'answer'
    answer.replaceChildren(say('answer.sending'))
    try {
      const { ok, body, detail } = await post(`v1/sync/pipelines/${dialog.dataset.pipeline}/abort`, reason)
      answer.classList.add(ok ? 'good' : 'bad')
      answer.replaceChildren(ok ? whatBecame(body) : say('answer.failed', { detail }))
    } catch {
      answer.classList.add('bad')
      answer.replaceChildren(say('answer.lost'))
    }
    done()
  })
}
