import { afterEach, describe, expect, test, vi } from 'vitest'

import { dropSecret, loginPath, nextFrom, signInPath, takeSecret, takeToken } from '../src/lib/paths'

const ORIGIN = 'https://write.example'

describe('the way on after signing in', () => {
  test('leads back to where somebody came from', () => {
    const path = signInPath('/d/team/plan?x=1')
    expect(nextFrom(new URL(path, ORIGIN).search, ORIGIN)).toBe('/d/team/plan?x=1')
    expect(signInPath('/')).toBe('/sign-in')
  })

  test.each([
    '',
    '?next=',
    '?next=https://evil.example/',
    '?next=//evil.example/',
    '?next=/%5Cevil.example/',
    '?next=javascript:alert(1)',
    '?next=%20//evil.example',
    '?next=/%09/evil.example',
    '?next=d/plan',
    '?next=/sign-in',
  ])('never leads away from here: %s', (search) => {
    expect(nextFrom(search, ORIGIN)).toBe('/')
  })
})

test('the way to another product says where to come back to', () => {
  expect(loginPath('https://shop.example/login', `${ORIGIN}/d/team/plan?x=1#y`)).toBe(
    'https://shop.example/login?next=https%3A%2F%2Fwrite.example%2Fd%2Fteam%2Fplan%3Fx%3D1%23y',
  )
})

describe('the secret of a link', () => {
  function pageAt(hash: string): { shown: string[] } {
    const shown: string[] = []
    vi.stubGlobal('location', { hash, pathname: '/join', search: '' })
    const history = {
      state: null as unknown,
      replaceState: (state: unknown, _title: string, url: string) => {
        history.state = state
        shown.push(url)
        Object.assign(location, { hash: '' })
      },
    }
    vi.stubGlobal('history', history)
    return { shown }
  }

  afterEach(() => vi.unstubAllGlobals())

  test('goes out of sight at once, outlives a reload, and is gone when it was used', () => {
    const { shown } = pageAt('#csi_abc')
    expect(takeSecret()).toBe('csi_abc')
    expect(shown).toEqual(['/join'])
    expect(takeSecret()).toBe('csi_abc')
    dropSecret()
    expect(takeSecret()).toBeNull()
  })

  test('that is a token is kept nowhere, not even for a reload', () => {
    const { shown } = pageAt('#token=ey.a.b')
    expect(takeToken()).toBe('ey.a.b')
    expect(shown).toEqual(['/join'])
    expect(history.state).toBeNull()
    expect(takeToken()).toBeNull()
    expect(takeSecret()).toBeNull()
  })

  test('may have a name', () => {
    pageAt('#key=csl_abc')
    expect(takeSecret('key')).toBe('csl_abc')
  })

  test('is not whatever else is behind the sign', () => {
    const { shown } = pageAt('#part-two')
    expect(takeSecret('key')).toBeNull()
    expect(shown).toEqual([])
  })
})
