/** Every text of the app goes through `t`, and every catalogue has it, with the same values in it. */

import { TYPE } from '@formatjs/icu-messageformat-parser'
import { IntlMessageFormat } from 'intl-messageformat'
import { parse } from 'svelte/compiler'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

import errors from '../../errors.py?raw'
import he, { server as heServer } from '../src/catalogues/he'
import ja, { server as jaServer } from '../src/catalogues/ja'

const files = import.meta.glob<string>(['../src/**/*.svelte', '../src/**/*.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
})
const sources = Object.entries(files)
  .map(([path, text]) => ({ name: path.replace('../src/', ''), text }))
  .filter(({ name }) => !name.startsWith('catalogues/') && name !== 'lib/i18n.ts')

/** Of `t('…')` and `t("…")`, wherever they stand. */
function messagesIn(text: string): string[] {
  const calls = text.matchAll(/\bt\(\s*('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/g)
  return [...calls].map(([, literal = '']) => {
    const { statements } = ts.createSourceFile('x.ts', `(${literal})`, ts.ScriptTarget.ES2022)
    const statement = statements[0] as ts.ExpressionStatement
    return ((statement.expression as ts.ParenthesizedExpression).expression as ts.StringLiteral).text
  })
}

const messages = new Set(sources.flatMap(({ text }) => messagesIn(text)))

type Parsed = ReturnType<IntlMessageFormat['getAst']>

/** Names of values, with what is chosen by them. */
function valuesOf(parsed: Parsed): string[] {
  return parsed.flatMap((element) => {
    if (element.type === TYPE.argument) return [element.value]
    if (element.type === TYPE.plural) return [`${element.value}, plural`, ...Object.values(element.options).flatMap(({ value }) => valuesOf(value))]
    return []
  })
}

const parsed = (message: string, locale: string): Parsed =>
  new IntlMessageFormat(message, locale, undefined, { ignoreTag: true }).getAst()
const tagsOf = (message: string): string[] => (message.match(/<\/?(?:a|b|code)>/g) ?? []).sort()

describe.each([
  ['he', he],
  ['ja', ja],
])('the catalogue %s', (locale, catalogue: Record<string, string>) => {
  test('lacks nothing', () => {
    expect([...messages].filter((message) => catalogue[message] === undefined)).toEqual([])
  })

  test('has nothing that is not said any more', () => {
    expect(Object.keys(catalogue).filter((message) => !messages.has(message))).toEqual([])
  })

  test('has the same values and marks in every text, and a form for every number', () => {
    const categories = new Intl.PluralRules(locale).resolvedOptions().pluralCategories
    const wrong = Object.entries(catalogue).filter(([message, translation]) => {
      const there = parsed(translation, locale)
      const same = JSON.stringify([...new Set(valuesOf(there))].sort()) === JSON.stringify([...new Set(valuesOf(parsed(message, 'en')))].sort())
      const forms = there.every(
        (element) => element.type !== TYPE.plural || categories.every((category) => Object.hasOwn(element.options, category) || category === 'many'),
      )
      return !same || !forms || tagsOf(message).join() !== tagsOf(translation).join()
    })
    expect(wrong).toEqual([])
  })
})

test('whatever the server refuses is said in every language', () => {
  const codes = [...errors.matchAll(/Answer\(4\d\d, "([a-z-]+)"/g)].map(([, code = '']) => code)
  expect(codes.length).toBeGreaterThan(20)
  expect(codes.filter((code) => heServer[code] === undefined)).toEqual([])
  expect(Object.keys(jaServer)).toEqual(Object.keys(heServer))
})

/** Of `t`: what it is called with is in the catalogues. */
function isCall(node: object): boolean {
  const { type, callee } = node as { type?: string; callee?: { name?: string } }
  return type === 'CallExpression' && callee?.name === 't'
}

test('no text stands in a template as it is', () => {
  const PROPER = /^[\s\p{P}\p{S}\d]*(?:Coscribe)?[\s\p{P}\p{S}\d]*$/u
  const found: string[] = []
  for (const { name, text } of sources.filter(({ name }) => name.endsWith('.svelte'))) {
    const visit = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      if (Array.isArray(node)) {
        node.forEach(visit)
        return
      }
      const { type, name: tag, data, value } = node as { type?: string; name?: string; data?: string; value?: unknown }
      if (tag === 'code' || tag === 'kbd') return
      if (type === 'Attribute' && !/^(aria-label|title|placeholder|alt)$/.test(tag ?? '')) return
      if (type === 'Text' && typeof data === 'string' && !PROPER.test(data)) found.push(`${name}: ${data.trim()}`)
      if (isCall(node) || type === 'BinaryExpression' || type === 'TemplateLiteral') return
      if (type === 'Literal' && typeof value === 'string' && /^[A-Z][a-z]+\b/.test(value) && !PROPER.test(value)) found.push(`${name}: ${value}`)
      Object.values(node).forEach(visit)
    }
    visit(parse(text, { modern: true }).fragment)
  }
  expect(found).toEqual([])
})
