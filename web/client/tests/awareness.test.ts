import { expect, test } from 'vitest'
import * as Y from 'yjs'

import { QuietAwareness } from '../src/sync/awareness'

test('a field that already holds the value is not sent again', () => {
  const awareness = new QuietAwareness(new Y.Doc())
  const updates: unknown[] = []
  awareness.on('update', (update: unknown) => updates.push(update))
  const cursor = (clock: number) => ({ anchor: Y.createRelativePositionFromJSON({ item: { client: 1, clock } }) })
  awareness.setLocalStateField('cursor', cursor(1))
  awareness.setLocalStateField('cursor', cursor(1))
  expect(updates).toHaveLength(1)
  awareness.setLocalStateField('cursor', cursor(2))
  awareness.setLocalStateField('cursor', null)
  expect(updates).toHaveLength(3)
  awareness.destroy()
})
