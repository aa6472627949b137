/** How plain text looks: in the colours of the page, light and dark, by its variables. */

import { HighlightStyle } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

const caretWithName = {
  position: 'relative',
  margin: '0 -1px',
  borderLeft: '2px solid var(--person)',
  wordBreak: 'normal',
}

/** The carets of the others look as in rich text. */
export const look = EditorView.theme({
  '&': { flex: '1', color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', fontSize: '0.9375rem', lineHeight: '1.6', overflowX: 'auto' },
  '.cm-content': { padding: '1.5rem 0 40vh', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 1.5rem 0 0.75rem' },
  '&.markdown .cm-line': { paddingInline: 'clamp(1.25rem, 6vw, 4.5rem)' },
  '.cm-gutters': { color: 'var(--muted)', backgroundColor: 'transparent', border: '0' },
  '.cm-lineNumbers .cm-gutterElement': { padding: '0 0.5rem 0 1rem' },
  '.cm-activeLineGutter': { color: 'var(--ink)', backgroundColor: 'transparent' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'color-mix(in oklab, var(--accent) 28%, transparent)',
  },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)' },
  '.cm-searchMatch': { backgroundColor: 'color-mix(in oklab, var(--busy) 35%, transparent)' },
  '.cm-searchMatch-selected': { backgroundColor: 'color-mix(in oklab, var(--busy) 75%, transparent)' },
  '.cm-panels': { display: 'none' },
  '.cm-placeholder': { color: 'var(--muted)' },
  '.collaboration-caret__caret': caretWithName,
  '.collaboration-caret__label': {
    position: 'absolute',
    zIndex: '1',
    bottom: '100%',
    left: '-2px',
    padding: '0.1em 0.45em',
    borderRadius: '4px 4px 4px 0',
    fontFamily: 'var(--sans)',
    fontSize: '0.75rem',
    fontWeight: '600',
    lineHeight: '1.4',
    whiteSpace: 'nowrap',
    color: 'var(--person-ink)',
    background: 'var(--person)',
    userSelect: 'none',
    pointerEvents: 'none',
    animation: 'coscribe-name-shown 2.3s forwards',
  },
  '.cm-line:first-child .collaboration-caret__label': { top: '100%', bottom: 'auto', borderRadius: '0 4px 4px 4px' },
  '.collaboration-caret__caret:hover .collaboration-caret__label': { animation: 'none' },
  '.collaboration-caret__selection': { background: 'color-mix(in srgb, var(--person) 25%, transparent)' },
  '@keyframes coscribe-name-shown': { '0%, 87%': { opacity: '1' }, '100%': { opacity: '0', visibility: 'hidden' } },
  '@media (prefers-reduced-motion: reduce)': { '.collaboration-caret__label': { animationTimingFunction: 'step-end' } },
  '@media (prefers-color-scheme: dark)': {
    '.collaboration-caret__caret': { borderLeftColor: 'color-mix(in oklab, var(--person), #fff 30%)' },
    '.collaboration-caret__selection': { background: 'color-mix(in srgb, var(--person) 45%, transparent)' },
  },
  '@media (max-width: 40rem)': { '.cm-scroller': { fontSize: '0.875rem' }, '.cm-line': { paddingInlineEnd: '0.75rem' } },
  '@media print': {
    '.cm-content': { padding: '0' },
    '.collaboration-caret__caret, .cm-gutters, .cm-cursorLayer': { display: 'none !important' },
    '.collaboration-caret__selection': { background: 'none' },
  },
})

export const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.tagName, tags.modifier, tags.operatorKeyword, tags.controlKeyword], color: 'var(--code-word)' },
  { tag: [tags.string, tags.regexp, tags.attributeValue, tags.inserted], color: 'var(--code-string)' },
  { tag: [tags.function(tags.variableName), tags.definition(tags.variableName), tags.className, tags.labelName], color: 'var(--code-name)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.typeName, tags.propertyName, tags.attributeName, tags.deleted], color: 'var(--code-value)' },
  { tag: [tags.comment, tags.meta], color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.heading1, fontWeight: '700', fontSize: '1.35em' },
  { tag: tags.heading2, fontWeight: '700', fontSize: '1.2em' },
  { tag: tags.heading3, fontWeight: '700', fontSize: '1.08em' },
  { tag: [tags.heading4, tags.heading5, tags.heading6], fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: tags.monospace, color: 'var(--code-string)' },
  { tag: [tags.link, tags.url], color: 'var(--accent)' },
  { tag: tags.quote, color: 'var(--muted)' },
  { tag: [tags.processingInstruction, tags.contentSeparator], color: 'var(--muted)' },
])
