import { describe, expect, test } from 'vitest'

import { asPerson, COLORS, initials, inkOn, loadIdentity, NAME_LENGTH_MAX, saveIdentity } from '../src/lib/identity'

describe('people', () => {
  test('every colour on offer carries white text', () => {
    expect(COLORS.map(({ value }) => inkOn(value))).toEqual(COLORS.map(() => '#ffffff'))
    expect(inkOn('#ffe08a')).toBe('#000000')
  })

  test.each([undefined, null, 7, 'x', [], { name: 5, color: 9 }, { name: '   ', color: 'red;background:url(x)' }])(
    'what another client says of itself is made safe: %j',
    (value) => {
      const person = asPerson(value, 3)
      expect(person.name).toBe('Somebody')
      expect(COLORS.map((color) => color.value)).toContain(person.color)
    },
  )

  test('a sound name and colour pass, a long name is cut', () => {
    expect(asPerson({ name: ' Ada ', color: '#12AB34' }, 0)).toEqual({ name: 'Ada', color: '#12AB34' })
    expect(asPerson({ name: 'x'.repeat(500) }, 0).name).toHaveLength(NAME_LENGTH_MAX)
  })

  test('initials are whole letters', () => {
    expect(initials('Calm Heron')).toBe('CH')
    expect(initials('ada')).toBe('A')
    expect(initials('👩‍🚀 Anna Maria')).toBe('👩‍🚀M')
    expect(initials('e\u0301mile ב\u05b0ן')).toBe('E\u0301ב\u05b0')
    expect(initials('\u1112\u1161\u11ab 高橋')).toBe('\u1112\u1161\u11ab高')
  })

  test('a name once given is kept, also where storage is blocked', () => {
    const person = loadIdentity()
    expect(loadIdentity()).toEqual(person)
    saveIdentity({ name: 'Ada', color: '#12ab34' })
    expect(loadIdentity()).toEqual({ name: 'Ada', color: '#12ab34' })
  })
})
