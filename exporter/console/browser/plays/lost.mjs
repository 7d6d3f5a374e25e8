// What becomes of an open page when nothing is known.

import assert from 'node:assert/strict'

import { failedScope, patience, live, says, checkAxe, shot } from './help.mjs'

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
  await page.goto(site.base)
  await live(page)
  await site.at('cut')
  const other = await site.tab(page.context())
  const answer = await other.goto(site.base + failedScope)
  assert.equal(answer.status(), 503)
  await says(other, 'h1', 'The record cannot be read')
  assert.equal(await other.locator('.map').count(), 0)
  await shot(site, other, 'away')
  await says(page, '#banner', 'Nothing is known since 20')
  await says(page, '#banner', 'PostgreSQL does not answer')
  await site.at('restore')
  await says(other, 'h1', 'professional_travel')
  await page.locator('#banner').waitFor({ state: 'hidden', timeout: patience })
}
