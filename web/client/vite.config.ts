import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

import { preloads } from './preloads.js'
import { serviceWorker } from './service-worker.js'

/** `npx vite` serves the sources and passes everything else to a server started with `make serve`. */
const SERVER = 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [svelte(), preloads(), serviceWorker()],
  base: '/',
  // 8 KiB of the first load for something that is never called.
  resolve: { alias: { '@floating-ui/dom': new URL('src/editor/no-floating.ts', import.meta.url).pathname } },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy forbids inline anything, and files compress and cache better on their own.
    assetsInlineLimit: 0,
    // All styles are as large as a small picture. Part by part, pages would wait for them one after the other.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            // What `main.ts` needs before the words are there: nothing that holds some may come along.
            { name: 'base', priority: 3, test: /node_modules\/svelte\/|src\/lib\/i18n\.ts/ },
            // A file for each part that pages share would be dozens of requests before anything shows. Nothing that leads
            // to `editor` belongs to `app`: lists would wait for it.
            { name: 'app', priority: 2, test: /client\/src\/(components\/(?!Branch|PastState)|lib\/(?!files|comments)|sync\/lookup)/, minShareCount: 2 },
            { name: 'text', priority: 1, test: /client\/src\/(editor\/|sync\/(?!lookup)|lib\/(files|comments))/, minShareCount: 2 },
            // The libraries change more seldom than the app: they stay in the browser's cache across releases.
            { name: 'editor', priority: 2, test: /node_modules\/(@tiptap|prosemirror|yjs|y-(?!codemirror)|lib0|linkify)/ },
          ],
        },
      },
    },
    license: { fileName: 'licenses.md' },
  },
  server: {
    proxy: { '/api': SERVER, '/ws': { target: SERVER, ws: true } },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
