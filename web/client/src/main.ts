/** Starts the app in the page that the server gives for `/` and `/d/{document}`. */

import { mount } from 'svelte'

import App from './App.svelte'
import { appVersion } from './lib/app-version.svelte'
import './styles/base.css'
import './styles/text.css'

const target = document.getElementById('app')
if (target === null) throw new Error('The page has no #app.')

mount(App, { target })

// The page comes first; `npx vite` has no worker.
if (import.meta.env.PROD) addEventListener('load', () => void appVersion.start())
