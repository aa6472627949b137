/** What documents begin with that are made of a template: headings and empty lines to write into, in the language of the app. */

import * as Y from 'yjs'

import { FRAGMENT } from '../sync/kind'
import { t } from './i18n'

export type TemplateName = 'meeting' | 'plan' | 'week' | 'tasks'

/** As the editor has them: the element, what it says of itself, what is in it. */
type Block = Y.XmlElement<Attributes>
type Attributes = Record<string, string | number | boolean>

const TEMPLATES: Record<TemplateName, () => Block[]> = {
  meeting: () => [
    heading(t('Who is here')),
    list('bulletList', 'listItem', 1),
    heading(t('What we talk about')),
    list('orderedList', 'listItem', 2),
    heading(t('What we decided')),
    list('bulletList', 'listItem', 1),
    heading(t('Who does what')),
    tasks(2),
  ],
  plan: () => [
    heading(t('Goal')),
    paragraph(),
    heading(t('Who does what, and until when')),
    table([t('What'), t('Who'), t('Until when')], 3),
    heading(t('What may go wrong')),
    list('bulletList', 'listItem', 1),
    heading(t('What comes next')),
    tasks(2),
  ],
  week: () => [
    heading(t('What went well')),
    list('bulletList', 'listItem', 1),
    heading(t('What was hard')),
    list('bulletList', 'listItem', 1),
    heading(t('What I learned')),
    paragraph(),
    heading(t('Next week')),
    tasks(3),
  ],
  tasks: () => [heading(t('Today')), tasks(3), heading(t('This week')), tasks(2), heading(t('When there is time')), tasks(1)],
}

export function fillIn(doc: Y.Doc, name: TemplateName): void {
  doc.getXmlFragment(FRAGMENT).push(TEMPLATES[name]() as Y.XmlElement[])
}

function element(name: string, content: (Block | Y.XmlText)[] = [], attributes: Attributes = {}): Block {
  const made = new Y.XmlElement<Attributes>(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  // Its own type knows only elements whose attributes are text.
  made.insert(0, content as Y.XmlElement[])
  return made
}

const paragraph = (text = ''): Block => element('paragraph', text === '' ? [] : [new Y.XmlText(text)])
const heading = (text: string): Block => element('heading', [new Y.XmlText(text)], { level: 2 })

function list(name: string, item: string, length: number, attributes: Attributes = {}): Block {
  return element(name, Array.from({ length }, () => element(item, [paragraph()], attributes)))
}

const tasks = (length: number): Block => list('taskList', 'taskItem', length, { checked: false })

function table(columns: readonly string[], rows: number): Block {
  const row = (cell: string, texts: readonly string[]): Block => element('tableRow', texts.map((text) => element(cell, [paragraph(text)])))
  const empty = columns.map(() => '')
  return element('table', [row('tableHeader', columns), ...Array.from({ length: rows }, () => row('tableCell', empty))])
}
