/** Parts of the document page that come after it. What keys open is fetched ahead: the next keys are meant for it. */

export const loadBranch = () => import('../components/Branch.svelte')
export const loadCode = () => import('../components/CodeView.svelte')
export const loadComments = () => import('../components/CommentsPanel.svelte')
export const loadFind = () => import('../components/FindBar.svelte')
export const loadHistory = () => import('../components/HistoryPanel.svelte')
export const loadOutline = () => import('../components/Outline.svelte')
export const loadPalette = () => import('../components/CommandPalette.svelte')
export const loadRefusal = () => import('../components/Refusal.svelte')
export const loadSharing = () => import('../components/ShareDialog.svelte')
export const loadShortcuts = () => import('../components/ShortcutsSheet.svelte')

export function loadKeyed(): void {
  // Whoever is offline has them from the worker, or is told when the part is wanted.
  for (const load of [loadFind, loadPalette, loadComments]) load().catch(() => undefined)
}
