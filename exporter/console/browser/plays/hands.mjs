// Without a mouse, and with one.

import assert from 'node:assert/strict'

import { failedScope, pipeline, until, live, text, says } from './help.mjs'

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
