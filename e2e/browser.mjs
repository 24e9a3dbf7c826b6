// Chromium in front of the site: contexts that are people with a browser of
// their own, what their consoles complain about, what axe-core finds, and
// screenshots in the folder HOMEBASE_E2E_ARTEFACTS.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const { CHROMIUM = '/usr/bin/chromium' } = process.env
const artefacts = process.env.HOMEBASE_E2E_ARTEFACTS || mkdtempSync(join(tmpdir(), 'homebase-artefacts-'))
mkdirSync(artefacts, { recursive: true })
console.log(`screenshots: ${artefacts}`)

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
export const desktop = { viewport: { width: 1280, height: 860 } }

// launch opens a browser that trusts the site's CA and finds its names at its
// nginx.
export async function launch(site) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM, headless: true, chromiumSandbox: false, env: { ...process.env, HOME: site.home },
    args: [`--host-resolver-rules=${['*.site.test', '*.example'].map((name) => `MAP ${name}:443 127.0.0.1:${site.port}`)}`],
  })
  return {
    close: () => browser.close(),
    // person is somebody with a fresh profile. `complaints` are the errors on
    // the consoles of all of their pages.
    async person(options = desktop) {
      const context = await browser.newContext(options)
      context.setDefaultTimeout(60000) // what is waited for comes; a busy machine takes its time
      const complaints = []
      context.on('page', (page) => {
        page.on('console', (message) => message.type() === 'error' && complaints.push(`${message.text()} (${message.location().url})`))
        page.on('pageerror', (problem) => complaints.push(String(problem.stack ?? problem)))
      })
      return { context, complaints, page: () => context.newPage(), close: () => context.close() }
    },
  }
}

// accessible holds the page as it is now against axe-core.
export async function accessible(page, what) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => window.axe.run())
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(', ')}`), [], what)
}

// colour is [red, green, blue] of the point of an element that lies at these
// parts of its width and height, as it is seen on the screen.
export async function colour(element, x, y) {
  const shot = await element.screenshot()
  return element.page().evaluate(async ([png, x, y]) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (byte) => byte.charCodeAt(0))]))
    const paint = new OffscreenCanvas(picture.width, picture.height).getContext('2d')
    paint.drawImage(picture, 0, 0)
    return [...paint.getImageData(x * picture.width, y * picture.height, 1, 1).data.slice(0, 3)]
  }, [shot.toString('base64'), x, y])
}

// keep takes a screenshot, of the whole page with `full`.
export const keep = (page, name, full = false) => page.screenshot({ path: join(artefacts, `${name}.png`), fullPage: full, animations: 'disabled' })
