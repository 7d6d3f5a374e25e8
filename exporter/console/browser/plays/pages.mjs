// Every page, looked at by axe.

import assert from 'node:assert/strict'

import { failedScope, pipeline, live, checkAxe, shot } from './help.mjs'

/** pages: every page in both colour schemes and on a phone, without a serious finding. */
export async function pages(site) {
  const all = [
    ['map', '', 'operator'], ['filter', '?show=last_aggregation_failed', ''], ['scope', failedScope, 'operator'], ['scope-denied', 'scopes/equipment/2025', 'reader'],
    ['scope-aggregated', 'scopes/purchases/2025', ''], ['pipelines', 'pipelines', ''], ['pipeline', pipeline, 'operator'], ['fleet', 'fleet', ''], ['sign-in', 'sign-in', ''],
    ['denied', 'scopes/buildings/2025', 'traveller'], ['nothing', 'nowhere', ''],
  ]
  // What is of another day is shown in another form.
  await site.at('sql', "UPDATE data_ingestion_jobs SET finished_at = finished_at - interval '2 days' WHERE id = 11")
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
