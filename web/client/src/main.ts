/** Starts the app in the page that the server gives for `/` and `/d/{document}`, once its words are there. */

import { mount } from 'svelte'

import { loadLanguage } from './lib/i18n'
import './styles/base.css'
import './styles/text.css'

const target = document.getElementById('app')
if (target === null) throw new Error('The page has no #app.')

await loadLanguage()
// What follows may hold translated text from its first moment on.
const [{ default: App }, { appVersion }] = await Promise.all([import('./App.svelte'), import('./lib/app-version.svelte')])
mount(App, { target })

// The page comes first; `npx vite` has no worker.
if (import.meta.env.PROD) {
  if (document.readyState === 'complete') void appVersion.start()
  else addEventListener('load', () => void appVersion.start())
}
