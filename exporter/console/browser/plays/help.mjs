// What the scenarios share.

import assert from 'node:assert/strict'

export const failedScope = 'scopes/professional_travel/2025'
export const pipeline = 'pipelines/00000000-0000-4000-8000-000000000001'
export const patience = 20_000

/** until waits for a condition in a page. */
export const until = (page, condition, arg) => page.waitForFunction(condition, arg, { timeout: patience, polling: 50 })

/** live waits until the store has heard of the record. */
export const live = (page) => page.locator('#link[data-link=live]').waitFor()

export const text = (page, selector) => page.locator(selector).first().innerText()

/** says waits until an element has a text. */
export const says = (page, selector, want) => until(page, ([selector, want]) => document.querySelector(selector)?.innerText.includes(want), [selector, want])

/** checkAxe fails for serious and critical findings, of these rules or of all. */
export async function checkAxe(site, page, name, ...rules) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.addScriptTag({ path: site.axe })
  const found = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...(rules.length && { runOnly: rules }) })
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.help}\n  ${v.nodes.slice(0, 4).map((n) => `${n.html.slice(0, 160)}\n    ${n.failureSummary.replace(/\n/g, ' ')}`).join('\n  ')}`)
  }, rules)
  assert.deepEqual(found, [], `axe, ${name}:\n${found.join('\n')}`)
}

export async function shot(site, page, name) {
  if (site.shots) await page.screenshot({ path: `${site.shots}/${name}.png` })
}
