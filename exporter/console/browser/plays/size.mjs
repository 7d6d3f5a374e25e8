// What it costs.

import assert from 'node:assert/strict'

import { live, shot } from './help.mjs'

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
  const { page, bytes } = await map(site)
  await shot(site, page, 'many')
  site.notes.push(`first load of 5,000 scopes: ${Math.round(bytes / 1000)} kB`)
  assert.ok(bytes < 150_000, `the first load has ${bytes} bytes`)
  assert.deepEqual(await update(site, page), ['c50-2024', 'c50-2025', 'c50-2026'])
}

/** smooth: the work of a browser with 5,000 scopes, for the first time and for an update. */
export async function smooth(site) {
  const { page, spent } = await map(site)
  const all = await spent()
  await page.evaluate(() => {
    window.long = 0
    new PerformanceObserver((l) => (window.long += l.getEntries().length)).observe({ type: 'longtask' })
  })
  const cells = await update(site, page)
  Object.assign(site.figures, { 'first-ms': all * 1000, 'update-ms': ((await spent()) - all) * 1000, 'long-tasks/update': await page.evaluate(() => window.long), 'cells/update': cells.length })
}

/** map opens the map of 5,000 scopes. spent tells for how many seconds the page has worked. */
async function map(site) {
  const page = await site.page()
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Performance.enable')
  let bytes = 0
  session.on('Network.dataReceived', (e) => (bytes += e.encodedDataLength))
  const spent = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value])).TaskDuration
  await page.goto(site.base)
  await live(page)
  assert.equal(await page.locator('.cell').count(), 5000)
  return { page, bytes, spent }
}

/** update has three aggregations fail, waits for them to be painted and returns the cells that were touched. */
async function update(site, page) {
  await page.evaluate(() => {
    window.touched = new Set()
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
  await site.at('sql', "UPDATE data_ingestion_jobs SET finished_at = now(), result = 'ERROR' WHERE job_type = 'aggregation' AND module_type_id = 50 AND year IN (2024, 2025, 2026)")
  await page.evaluate(() => window.seen)
  return (await page.evaluate(() => [...window.touched])).sort()
}
