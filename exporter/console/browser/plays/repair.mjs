// What is wrong is repaired, and the pages follow.

import assert from 'node:assert/strict'

import { failedScope, pipeline, until, live, text, says, checkAxe, shot } from './help.mjs'

/** repair: a press of the button, and the badge goes through to fresh, on the page, on the map, and after a reload. */
export async function repair(site) {
  const scope = await site.page({ as: 'operator' })
  await scope.goto(site.base + failedScope)
  await live(scope)
  const map = await site.tab(scope.context())
  await map.goto(site.base)
  await live(map)
  const cell = '#c2-2025', badge = `td:has(${cell}) .badge`
  const before = await text(map, '#verdict')
  assert.match(before, /^4 of 6 scopes are stale; 1 has drifted/)
  assert.match(await map.locator(cell).getAttribute('class'), /last_aggregation_failed/)

  await scope.getByLabel('Reason').fill('factors corrected')
  await scope.getByRole('button', { name: 'Recalculate' }).click()
  await says(scope, '#ask-answer', 'created')
  await says(scope, '[data-badge-of] .badge', 'Step 2/3')
  await says(map, badge, 'Step 2/3')
  // Again: it waits already, so the request joins.
  await scope.getByLabel('Reason').fill('and once more')
  await scope.getByRole('button', { name: 'Recalculate' }).click()
  await says(scope, '#ask-answer', 'joined')

  await site.at('recalc')
  await map.locator(`${badge}.running`).waitFor()
  await site.at('percent', '61')
  await says(map, badge, '61 %')
  await says(scope, '[data-badge-of] .badge', '61 %')
  await map.reload()
  await says(map, badge, 'Step 2/3, recalculating, 61 %')
  await live(map)
  await map.locator(badge).click()
  await says(map, '#details', 'recalculation of plane')
  await says(map, '#details', '61 %')
  await shot(site, map, 'running')
  await map.keyboard.press('Escape')

  await site.at('finish', 'SUCCESS')
  await says(map, badge, 'Step 3/3')
  await site.at('roll-up')
  await site.at('finish', 'SUCCESS')
  await map.locator(`${cell}.fresh`).waitFor()
  await map.locator(badge).waitFor({ state: 'detached' })
  await scope.locator('[data-badge-of] .badge').waitFor({ state: 'detached' })
  await says(scope, '.lead', 'is fresh')
  await says(map, '#verdict', '3 of 6 scopes are stale; 1 has drifted')
  await says(map, '#said', 'professional_travel 2025: fresh')

  // What stayed open says the same as what is rendered anew.
  const said = (page) => page.evaluate(() => {
    const copy = document.getElementById('main').cloneNode(true)
    for (const t of copy.querySelectorAll('time')) t.remove()
    return [...copy.querySelectorAll('h1, #underway, #legend b, #wrong > li, .cell, .badge, #gauge *')].map((e) => [e.className.baseVal ?? e.className, e.getAttribute('x'), e.getAttribute('width'), e.getAttribute('aria-label'), e.id === '' && e.tagName !== 'LI' ? '' : e.textContent.replace(/\s+/g, ' ').trim()].join('|'))
  })
  const open = await said(map)
  await map.reload({ waitUntil: 'domcontentloaded' })
  assert.deepEqual(open, await said(map))
}

/** aggregate: the roll-up alone; of a module of which Tidemark computes no emissions there is nothing else to ask for. */
export async function aggregate(site) {
  const page = await site.page({ as: 'operator' })
  await page.goto(site.base + 'scopes/headcount/2025')
  await live(page)
  await page.getByLabel('Reason').fill('never done')
  await page.getByRole('button', { name: 'Aggregate' }).click()
  await says(page, '#ask-answer', 'aggregation: created')
  await page.locator('[data-badge-of] .badge.waiting').waitFor()
  await site.at('roll-up', '1')
  await site.at('finish', 'SUCCESS')
  await says(page, '.lead', 'is fresh')

  await page.goto(site.base + failedScope)
  await live(page)
  await page.getByLabel('Data entry type').selectOption('aggregation')
  await page.locator('.radio').waitFor({ state: 'hidden' })
  await page.getByLabel('Reason').fill('the report is repaired')
  await page.getByRole('button', { name: 'Recalculate' }).click()
  await says(page, '#ask-answer', 'aggregation: created')
  await says(page, '[data-badge-of] .badge', 'Step 3/3')
}

/** failure: the badge of a failure stays, after a reload too, until its scope is repaired. */
export async function failure(site) {
  const page = await site.page({ as: 'operator' })
  await page.goto(site.base + failedScope)
  await live(page)
  const ask = async () => {
    await page.getByLabel('Reason').fill('try')
    await page.getByRole('button', { name: 'Recalculate' }).click()
    await says(page, '#ask-answer', 'created')
    await site.at('recalc')
  }
  await ask()
  await site.at('finish', 'ERROR')
  await page.locator('[data-badge-of] .badge.failed').waitFor()
  await says(page, '[data-part=why]', 'it came to ERROR')
  await page.reload()
  await live(page)
  await page.locator('[data-badge-of] .badge.failed').click()
  await says(page, '#details', 'it came to ERROR')
  await page.keyboard.press('Escape')
  await ask()
  await site.at('finish', 'SUCCESS')
  await site.at('roll-up')
  await site.at('finish', 'SUCCESS')
  await page.locator('[data-badge-of] .badge').waitFor({ state: 'detached' })
}

/** abort: a pipeline is aborted after a question, and its page says what became of its jobs. */
export async function abort(site) {
  const page = await site.page({ as: 'operator', bypassCSP: true })
  await page.goto(site.base + pipeline)
  await live(page)
  await says(page, '.foreseen', 'job #13 ends')
  await page.getByRole('button', { name: 'Abort the pipeline' }).click()
  await page.locator('dialog[open]').waitFor()
  await checkAxe(site, page, 'the question before an abort')
  await shot(site, page, 'abort')
  await page.getByRole('button', { name: 'Let it go on' }).click()
  await page.getByRole('button', { name: 'Abort the pipeline' }).click()
  await page.locator('dialog').getByLabel('Reason').fill('wrong file')
  await page.locator('dialog').getByRole('button', { name: 'Abort the pipeline' }).click()
  await says(page, '#abort-answer', 'Aborted: job #13 ends')
  await says(page, '[data-part=progress]', 'wrong file')
  await page.getByRole('button', { name: 'Abort the pipeline' }).waitFor({ state: 'detached' })
}
