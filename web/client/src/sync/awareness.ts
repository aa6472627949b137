/**
 * Awareness that says a thing once. The caret plugin sets its own position again after each edit of somebody else,
 * which would send one message per focused reader per edit, each to everybody.
 */

import { Awareness } from 'y-protocols/awareness'

export class QuietAwareness extends Awareness {
  /** Like the original, except that setting a field to what it already holds sends nothing. */
  override setLocalStateField(field: string, value: unknown): void {
    const current: unknown = this.getLocalState()?.[field]
    if (JSON.stringify(current) !== JSON.stringify(value)) super.setLocalStateField(field, value)
  }
}
