// Who may see what, and how it is reached.

import assert from 'node:assert/strict'

import { failedScope, pipeline, live, says } from './help.mjs'

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
