// Plays scenarios in a real Chromium. Orders come in lines of JSON, an answer goes out for each:
// {"error": "", "notes": [], "figures": {}}.

import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import * as pages from './plays/pages.mjs'
import * as repair from './plays/repair.mjs'
import * as lost from './plays/lost.mjs'
import * as access from './plays/access.mjs'
import * as hands from './plays/hands.mjs'
import * as size from './plays/size.mjs'

const scenarios = { ...pages, ...repair, ...lost, ...access, ...hands, ...size }

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--host-resolver-rules=MAP console.example 127.0.0.1']

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags })

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  const site = new Site(order)
  let error = ''
  try {
    await scenarios[order.scenario](site)
    if (site.complaints.length) throw new Error('the browser complains: ' + site.complaints.join('\n'))
  } catch (e) {
    error = `${e.stack}\n${site.complaints.join('\n')}\n${await site.describe()}`
  }
  await site.close()
  process.stdout.write(JSON.stringify({ error, notes: site.notes, figures: site.figures }) + '\n')
}
await browser.close()

function Site({ scenario, base, door, tokens }) {
  const contexts = []
  Object.assign(this, { scenario, base, tokens, axe, notes: [], figures: {}, complaints: [], shots: process.env.CONSOLE_SHOTS })

  /** at makes things happen where the page is served from. */
  this.at = async (name, arg = '') => {
    const answer = await fetch(`${door}/${name}?arg=${encodeURIComponent(arg)}`, { method: 'POST' })
    if (!answer.ok) throw new Error(`${name}: ${await answer.text()}`)
  }

  /** page opens a window of a fresh profile, signed in as somebody if that is asked for. */
  this.page = async ({ as, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1360, height: 850 }, ...options })
    contexts.push(context)
    context.setDefaultTimeout(15_000)
    if (as) await context.addCookies([{ name: 'tidemark_session', value: tokens[as], url: base }])
    return this.tab(context)
  }

  /** tab opens a further page of a context. What a script does not catch, or the policy forbids, fails the scenario. */
  this.tab = async (context) => {
    const page = await context.newPage()
    page.on('pageerror', (e) => this.complaints.push(e.stack))
    page.on('console', (m) => m.type() === 'error' && !/Failed to load resource|ERR_/.test(m.text()) && this.complaints.push(m.text()))
    return page
  }

  this.describe = async () => {
    const texts = []
    for (const [i, page] of contexts.flatMap((c) => c.pages()).entries()) {
      if (this.shots) await page.screenshot({ path: `${this.shots}/fail-${scenario}-${i}.png`, timeout: 5_000 }).catch(() => {})
      texts.push(`${page.url()}:\n${await page.evaluate(() => document.body.innerText.slice(0, 1500)).catch((e) => e.message)}`)
    }
    return texts.join('\n---\n')
  }

  this.close = () => Promise.all(contexts.map((c) => c.close()))
}
