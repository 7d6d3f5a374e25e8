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
  assert.ok(update * 8 < all, `an update of 3 cells costs ${update} s, all of them ${all} s`)
}
