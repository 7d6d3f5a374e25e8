// The scenarios.

import assert from 'node:assert/strict'

const failedScope = 'scopes/professional_travel/2025'
const pipeline = 'pipelines/00000000-0000-4000-8000-000000000001'
const patience = 20_000

/** until waits for a condition in a page. */
const until = (page, condition, arg) => page.waitForFunction(condition, arg, { timeout: patience, polling: 50 })

/** live waits until the store has heard of the record. */
const live = (page) => page.locator('#link[data-link=live]').waitFor()

const text = (page, selector) => page.locator(selector).first().innerText()

/** says waits until an element has a text. */
const says = (page, selector, want) => until(page, ([selector, want]) => document.querySelector(selector)?.innerText.includes(want), [selector, want])

/** checkAxe fails for serious and critical findings, of these rules or of all. */
async function checkAxe(site, page, name, ...rules) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.addScriptTag({ path: site.axe })
  const found = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...(rules.length && { runOnly: rules }) })
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.help}\n  ${v.nodes.slice(0, 4).map((n) => `${n.html.slice(0, 160)}\n    ${n.failureSummary.replace(/\n/g, ' ')}`).join('\n  ')}`)
  }, rules)
  assert.deepEqual(found, [], `axe, ${name}:\n${found.join('\n')}`)
}

async function shot(site, page, name) {
  if (site.shots) await page.screenshot({ path: `${site.shots}/${name}.png` })
}

/** pages: every page in both colour schemes and on a phone, without a serious finding. */
export async function pages(site) {
  const all = [
    ['map', '', 'operator'], ['filter', '?show=last_aggregation_failed', ''], ['scope', failedScope, 'operator'], ['scope-denied', 'scopes/equipment/2025', 'reader'],
    ['scope-aggregated', 'scopes/purchases/2025', ''], ['pipelines', 'pipelines', ''], ['pipeline', pipeline, 'operator'], ['fleet', 'fleet', ''], ['sign-in', 'sign-in', ''],
    ['denied', 'scopes/buildings/2025', 'traveller'], ['nothing', 'nowhere', ''],
  ]
  const visitors = new Map()
  for (const [name, path, as] of all) {
    // The policy of the pages keeps axe out as well.
    if (!visitors.has(as)) visitors.set(as, await site.page({ as, bypassCSP: true }))
    const page = visitors.get(as)
    await page.setViewportSize({ width: 1360, height: 850 })
    await page.goto(site.base + path)
    if (!['sign-in', 'denied', 'nothing'].includes(name)) await live(page)
    const check = async (what) => {
      await page.emulateMedia({ colorScheme: 'light' })
      await shot(site, page, `${what}-light`)
      await checkAxe(site, page, `${what}, light`)
      await page.emulateMedia({ colorScheme: 'dark' })
      await shot(site, page, `${what}-dark`)
      await checkAxe(site, page, `${what}, dark`, 'color-contrast')
    }
    await check(name)
    const detailed = name === 'map' || name === 'scope'
    if (detailed) {
      await page.locator('.badge').first().click()
      await page.locator('#details:popover-open').waitFor()
      await check(`${name}-details`)
      await page.keyboard.press('Escape')
    }
    await page.setViewportSize({ width: 360, height: 740 })
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.ok(over <= 0, `${name} is ${over} px too wide for a phone`)
    await shot(site, page, `${name}-phone`)
    if (detailed) {
      await page.locator('.badge').first().click()
      await page.locator('#details:popover-open').waitFor()
      await shot(site, page, `${name}-details-phone`)
      await page.keyboard.press('Escape')
    }
  }
}

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

/** lost: the page says since when nothing is known, looks it, and recovers with what it missed. */
export async function lost(site) {
  const page = await site.page({ bypassCSP: true })
  await page.goto(site.base)
  await live(page)
  await site.at('stop')
  await says(page, '#banner', 'Nothing is known since 20')
  assert.ok(await page.evaluate(() => document.body.classList.contains('old')), 'the map does not look old')
  await shot(site, page, 'lost')
  await checkAxe(site, page, 'lost')
  await site.at('sql', "UPDATE data_ingestion_jobs SET result = 'SUCCESS', finished_at = now() WHERE id = 11")
  await site.at('start')
  await page.locator('#c2-2025.fresh').waitFor({ timeout: patience })
  await page.locator('#banner').waitFor({ state: 'hidden' })
  assert.ok(!(await page.evaluate(() => document.body.classList.contains('old'))), 'the map still looks old')
}

/** away: without PostgreSQL there is a page that says so; an open map is marked as old, and both come back. */
export async function away(site) {
  const page = await site.page()
  await page.clock.install()
  await page.goto(site.base)
  await live(page)
  await site.at('cut')
  const other = await site.tab(page.context())
  const answer = await other.goto(site.base + failedScope)
  assert.equal(answer.status(), 503)
  await says(other, 'h1', 'The record cannot be read')
  assert.equal(await other.locator('.map').count(), 0)
  await shot(site, other, 'away')
  // The stream says nothing that means anything for longer than it would.
  await page.clock.fastForward(30_000)
  await says(page, '#banner', 'Nothing is known since 20')
  await says(page, '#banner', 'PostgreSQL does not answer')
  await site.at('restore')
  await says(other, 'h1', 'professional_travel')
  await page.clock.runFor(20_000)
  await page.locator('#banner').waitFor({ state: 'hidden', timeout: patience })
}

/** signin: nothing is shown without a token; who may see one module sees that; who may not request is told why. */
export async function signin(site) {
  const base = site.base.replace('127.0.0.1', 'console.example') // a host to which browsers send no Sec-Fetch-Site
  const page = await site.page()
  const answer = await page.goto(base + failedScope + '?a=b')
  assert.equal(answer.status(), 401)
  await page.getByLabel('Token').fill('nonsense')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await says(page, '[role=alert]', 'Not accepted')
  await page.getByLabel('Token').fill(site.tokens.reader)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(base + failedScope + '?a=b')
  await says(page, '.who', 'reader')
  assert.ok(await page.getByRole('button', { name: 'Recalculate' }).isDisabled())
  await says(page, '#ask-denied', 'backoffice.data_management.sync')
  await live(page)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Token').fill(site.tokens.traveller)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await says(page, '#verdict', '1 of 2 scopes is stale')
  await live(page)
  assert.equal(await page.locator('.cell').count(), 2)
  assert.equal((await page.goto(base + 'scopes/buildings/2025')).status(), 403)
  await says(page, 'main', 'modules.buildings.view')
  assert.equal((await page.goto(base + pipeline)).status(), 403)
}

/** noscript: everything reads without scripts, and signing in works. */
export async function noscript(site) {
  const page = await site.page({ javaScriptEnabled: false })
  await page.goto(site.base)
  const words = (selector) => page.locator(selector).first().textContent()
  assert.match(await words('#verdict'), /^4 of 6 scopes are stale/)
  assert.equal(await page.locator('.cell').count(), 6)
  assert.match(await words('#wrong li'), /professional_travel 2025.*failed/s)
  await page.locator('#legend a[data-show=no_aggregation_ever]').click()
  assert.equal(await page.locator('#wrong li').count(), 1)
  await page.locator('.badge').first().click()
  assert.match(page.url(), /scopes\/.*#now$/)
  await page.goto(site.base + failedScope)
  assert.match(await words('.lead'), /is stale/)
  assert.match(await words('.command'), /tidemark/)
  assert.match(await words('noscript'), /needs scripts/)
  await page.goto(site.base + 'pipelines?failed=1')
  await page.goto(site.base + pipeline)
  assert.match(await words('table'), /aggregation/)
  await page.goto(site.base + 'sign-in?next=pipelines')
  await page.getByLabel('Token').fill(site.tokens.operator)
  await page.getByRole('button', { name: 'Sign in' }).click()
  assert.equal(page.url(), site.base + 'pipelines')
  assert.match(await words('.who'), /operator/)
}

/** prefix: everything holds under a route prefix. */
export async function prefix(site) {
  const page = await site.page({ as: 'operator' })
  await page.goto(new URL('/', site.base).href)
  assert.equal(page.url(), site.base)
  await live(page)
  await page.locator('#wrong .name').first().click()
  await page.waitForURL(site.base + failedScope)
  await live(page)
  await page.getByLabel('Reason').fill('try')
  await page.getByRole('button', { name: 'Recalculate' }).click()
  await says(page, '#ask-answer', 'created')
  await page.getByRole('link', { name: /Follow pipeline/ }).click()
  await says(page, 'h1', 'recalculation')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(site.base + 'sign-in')
}

/** keyboard: from the map to the button by keys alone, and through the details of a badge. */
export async function keyboard(site) {
  const page = await site.page({ as: 'operator' })
  await page.goto(site.base)
  await live(page)
  const focus = () => page.evaluate(() => { const e = document.activeElement; return { id: e.id, kind: e.className, text: e.textContent, details: e.closest('#details') !== null } })
  const tabTo = async (fits) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab')
      if (fits(await focus())) return
    }
    assert.fail('it cannot be reached by keys')
  }
  await page.keyboard.press('Tab')
  assert.equal((await focus()).text, 'Skip to the content')
  await page.keyboard.press('Enter')
  assert.equal((await focus()).id, 'main')

  // A badge shows its details when it has the focus, Enter leads in, Escape back.
  await tabTo((f) => f.kind.startsWith('badge'))
  await page.locator('#details:popover-open').waitFor()
  await page.keyboard.press('Enter')
  assert.ok((await focus()).details, 'the focus is not in the details')
  await page.keyboard.press('Escape')
  await page.locator('#details:popover-open').waitFor({ state: 'detached' })
  assert.match((await focus()).kind, /^badge/)

  await tabTo((f) => f.id.startsWith('c2-'))
  await page.keyboard.press('ArrowRight')
  assert.equal((await focus()).id, 'c2-2024')
  await page.keyboard.press('Home')
  assert.equal((await focus()).id, 'c2-2025')
  await page.keyboard.press('Enter')
  await page.waitForURL(site.base + failedScope)
  await live(page)
  await tabTo((f) => f.id === 'ask-reason')
  await page.keyboard.type('by keys')
  await page.keyboard.press('Tab')
  assert.equal((await focus()).id, 'ask-button')
  await page.keyboard.press('Enter')
  await says(page, '#ask-answer', 'created')
}

/** pointer: details come when a mouse rests on a badge and go when it leaves; a touch lets them stay; the id can be copied. */
export async function pointer(site) {
  const page = await site.page()
  await page.goto(site.base)
  await live(page)
  const details = page.locator('#details:popover-open'), badge = page.locator('#map .badge.running')
  await badge.hover()
  await details.waitFor()
  assert.ok(await page.evaluate(() => document.activeElement === document.body), 'a look has moved the focus')
  await page.mouse.move(5, 500)
  await details.waitFor({ state: 'detached' })
  await badge.click()
  await details.waitFor()
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: "Copy the pipeline's id" }).click()
  await until(page, async () => (await navigator.clipboard.readText()) === '00000000-0000-4000-8000-000000000001')
  await page.mouse.click(5, 500)
  await details.waitFor({ state: 'detached' })
  const phone = await site.page({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 } })
  await phone.goto(site.base)
  await live(phone)
  await phone.locator('#wrong .badge').first().tap()
  await phone.locator('#details:popover-open').waitFor()
  await phone.getByRole('button', { name: 'Close' }).tap()
  await phone.locator('#details:popover-open').waitFor({ state: 'detached' })
}

/** weight: what a browser fetches before it is up to date, with nothing kept from before. */
export async function weight(site) {
  const page = await site.page()
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  let bytes = 0
  session.on('Network.dataReceived', (e) => (bytes += e.encodedDataLength))
  await page.goto(site.base)
  await live(page)
  site.notes.push(`first load: ${Math.round(bytes / 1000)} kB`)
  assert.ok(bytes > 5_000 && bytes < 150_000, `the first load has ${bytes} bytes`)
}

/** many: 5,000 scopes. What arrives first is small, and an update touches what has changed. */
export async function many(site) {
  const page = await site.page()
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Performance.enable')
  let bytes = 0
  session.on('Network.dataReceived', (e) => (bytes += e.encodedDataLength))
  const spent = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value])).TaskDuration
  await page.goto(site.base)
  await live(page)
  await shot(site, page, 'many')
  assert.equal(await page.locator('.cell').count(), 5000)
  const all = await spent()
  site.notes.push(`first load of 5,000 scopes: ${Math.round(bytes / 1000)} kB`)
  assert.ok(bytes < 150_000, `the first load has ${bytes} bytes`)
  await page.evaluate(() => {
    window.touched = new Set()
    window.long = 0
    new PerformanceObserver((l) => (window.long += l.getEntries().length)).observe({ type: 'longtask' })
    window.seen = new Promise((done) => {
      new MutationObserver((changes) => {
        for (const { target } of changes) {
          const cell = (target.closest ? target : target.parentElement).closest('td')
          if (cell) window.touched.add(cell.firstElementChild.id)
        }
        if (window.touched.size >= 3) requestAnimationFrame(() => requestAnimationFrame(done))
      }).observe(document.getElementById('map'), { subtree: true, childList: true, attributes: true, characterData: true })
    })
  })
  const before = await spent()
  await site.at('sql', "UPDATE data_ingestion_jobs SET finished_at = now(), result = 'ERROR' WHERE job_type = 'aggregation' AND module_type_id = 50 AND year IN (2024, 2025, 2026)")
  await page.evaluate(() => window.seen)
  const update = (await spent()) - before
  assert.deepEqual((await page.evaluate(() => [...window.touched])).sort(), ['c50-2024', 'c50-2025', 'c50-2026'])
  site.notes.push(`all of it: ${Math.round(all * 1000)} ms; an update of 3 cells: ${Math.round(update * 1000)} ms, ${await page.evaluate(() => window.long)} long tasks`)
  assert.ok(update * 4 < all, `an update of 3 cells costs ${update} s, all of them ${all} s`)
}
