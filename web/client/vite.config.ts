import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

import { serviceWorker } from './service-worker.js'

/** `npx vite` serves the sources and passes everything else to a server started with `make serve`. */
const SERVER = 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  base: '/',
  // 8 KiB of the first load for something that is never called.
  resolve: { alias: { '@floating-ui/dom': new URL('src/editor/no-floating.ts', import.meta.url).pathname } },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy forbids inline anything, and files compress and cache better on their own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    // The libraries change more seldom than the app: they stay in the browser's cache across releases.
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: 'editor', test: /node_modules\/(@tiptap|prosemirror|yjs|y-(?!codemirror)|lib0|linkify)/ }] },
      },
    },
    license: { fileName: 'licenses.md' },
  },
  server: {
    proxy: { '/api': SERVER, '/ws': { target: SERVER, ws: true } },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
