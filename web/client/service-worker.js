/** Vite plugin: builds `src/service-worker` into `sw.js`, which knows every file of the app and its hash. */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

import { build } from 'vite'

const SOURCE = resolve(import.meta.dirname, 'src/service-worker')
const WORKER = 'sw.js'
/** Nothing of the app asks for them. */
const LEFT_OUT = new Set([WORKER, 'licenses.md', 'preloads.json'])

/** @param {string} directory @returns {string[]} sorted, so that each build is the same. */
function filesIn(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

/** @param {string} path */
const read = (path) => readFileSync(path)

/** @param {string} directory of the built app. */
function describeApp(directory) {
  const names = filesIn(directory).filter((name) => !LEFT_OUT.has(name))
  const hash = (/** @type {string} */ name) => createHash('sha256').update(read(join(directory, name))).digest('base64')
  const files = Object.fromEntries(
    names.map((name) => [name === 'index.html' ? '/' : `/${name}`, `sha256-${hash(name)}`]),
  )
  const version = createHash('sha256').update(JSON.stringify(files))
  for (const name of filesIn(SOURCE)) version.update(read(join(SOURCE, name)))
  return { version: version.digest('hex').slice(0, 12), files }
}

/** @returns {import('vite').Plugin} */
export function serviceWorker() {
  return {
    name: 'service-worker',
    apply: 'build',
    async writeBundle({ dir }) {
      if (dir === undefined) throw new Error('The build has no directory.')
      await build({
        configFile: false,
        publicDir: false,
        logLevel: 'warn',
        define: { __APP__: JSON.stringify(describeApp(dir)) },
        build: {
          outDir: dir,
          emptyOutDir: false,
          target: 'es2022',
          modulePreload: false,
          rolldownOptions: {
            input: join(SOURCE, 'worker.ts'),
            output: { format: 'iife', entryFileNames: WORKER },
          },
        },
      })
    },
  }
}
