/** Audits the pages named on the command line: node run.mjs CHROME_PATH COOKIE ADDRESS… Prints a line of JSON for each. */

import { launch } from 'chrome-launcher'
import lighthouse, { desktopConfig } from 'lighthouse'

const CATEGORIES = ['performance', 'accessibility', 'best-practices']
const [chromePath, cookie, ...addresses] = process.argv.slice(2)
const chrome = await launch({ chromePath, chromeFlags: ['--headless', '--no-sandbox', '--disable-gpu'], logLevel: 'silent' })
try {
  for (const address of addresses) {
    for (const preset of ['desktop', 'mobile']) {
      const options = { port: chrome.port, logLevel: 'error', onlyCategories: CATEGORIES, extraHeaders: cookie === '' ? {} : { Cookie: cookie } }
      const { lhr } = await lighthouse(address, options, preset === 'desktop' ? desktopConfig : undefined)
      const scores = Object.fromEntries(CATEGORIES.map((name) => [name, Math.round((lhr.categories[name]?.score ?? 0) * 100)]))
      const failed = Object.values(lhr.audits)
        .filter(({ score, scoreDisplayMode }) => score !== null && score < 0.9 && scoreDisplayMode !== 'informative')
        .map(({ id, displayValue }) => (displayValue ? `${id} (${displayValue})` : id))
      const shown = new URL(lhr.finalDisplayedUrl)
      console.log(JSON.stringify({ preset, page: shown.pathname, error: lhr.runtimeError?.message ?? null, scores, failed }))
    }
  }
} finally {
  await chrome.kill()
}
