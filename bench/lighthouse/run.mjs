/** Audits the pages named on the command line: node run.mjs CHROME_PATH COOKIE ADDRESS… Prints a line of JSON for each. */

import { launch } from 'chrome-launcher'
import lighthouse, { desktopConfig } from 'lighthouse'

const CATEGORIES = ['performance', 'accessibility', 'best-practices']
const METRICS = ['first-contentful-paint', 'largest-contentful-paint', 'speed-index', 'total-blocking-time', 'cumulative-layout-shift']
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
      const measured = Object.fromEntries(METRICS.map((name) => [name, lhr.audits[name]?.numericValue ?? null]))
      const shown = new URL(lhr.finalDisplayedUrl)
      const { benchmarkIndex } = lhr.environment
      console.log(JSON.stringify({ preset, page: shown.pathname, error: lhr.runtimeError?.message ?? null, benchmarkIndex, scores, measured, failed }))
    }
  }
} finally {
  await chrome.kill()
}
