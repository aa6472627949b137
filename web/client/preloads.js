/**
 * Vite plugin: `preloads.json` says which files each page is made of. The server names them together with the page, and the
 * browser fetches them at once instead of finding out step by step. The one style sheet is named in `index.html`.
 */

const SOURCE = new URL('src/', import.meta.url).pathname
/** By the first part of the address; what is not here is seldom where anybody begins. */
const PAGES = {
  '': ['components/Guard.svelte', 'pages/StartPage.svelte'],
  d: ['pages/DocumentPage.svelte'],
  'sign-in': ['pages/SignInPage.svelte'],
  join: ['pages/JoinPage.svelte'],
}
/** For every page, behind what `index.html` names itself. */
const ALWAYS = ['App.svelte', 'lib/app-version.svelte.ts']

/** @returns {import('vite').Plugin} */
export function preloads() {
  return {
    name: 'preloads',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk')
      /** @param {string} path */
      const chunkOf = (path) => {
        const found = chunks.find(({ facadeModuleId }) => facadeModuleId === SOURCE + path) ?? chunks.find(({ moduleIds }) => moduleIds.includes(SOURCE + path))
        if (found === undefined) throw new Error(`There is no ${path}.`)
        return found
      }
      /** @param {import('vite').Rolldown.OutputChunk} chunk @param {Set<string>} files */
      const add = (chunk, files) => {
        if (files.has(chunk.fileName)) return
        files.add(chunk.fileName)
        for (const other of chunks) if (chunk.imports.includes(other.fileName)) add(other, files)
      }
      /** @param {import('vite').Rolldown.OutputChunk[]} starts */
      const closure = (starts) => starts.reduce((files, chunk) => (add(chunk, files), files), /** @type {Set<string>} */ (new Set()))
      const named = closure(chunks.filter(({ isEntry }) => isEntry))
      const found = Object.entries(PAGES).map(([page, paths]) => {
        const files = closure([...ALWAYS, ...paths].map(chunkOf))
        return [page, [...files].filter((name) => !named.has(name)).map((name) => `/${name}`)]
      })
      this.emitFile({ type: 'asset', fileName: 'preloads.json', source: `${JSON.stringify(Object.fromEntries(found))}\n` })
    },
  }
}
