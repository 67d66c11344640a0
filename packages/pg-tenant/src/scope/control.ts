import type { Sink, Step } from '../driver/exchange.ts'
import { SCRATCH, type Slot, statement } from '../driver/messages.ts'
import type { Phase } from '../errors/outcome.ts'

/** A statement that is used once: parsed right before it runs, so that nothing can have been put in its place. */
export function once(phase: Phase, slot: Slot, text: string, sink?: Sink): Step {
  return {
    phase,
    bytes: statement(text, slot),
    ...(sink && { sink }),
    ...(slot === '' && { prepares: { name: '', text } }),
  }
}

/** Undoes what was done since a savepoint of the library's. */
export function rollbackTo(slot: Slot, savepoint: string): Step {
  return { ...once('savepoint', slot, `rollback to savepoint ${savepoint}`), undoes: true }
}

/**
 * A statement of the scope itself, always the same text. Its bytes are made once. It is never kept under a name on the
 * server: hostile SQL can replace what has a name, and the next tenant would run that (hazard z).
 */
export class ControlStatement {
  readonly #unnamed: Step
  readonly #scratch: Step

  constructor(phase: Phase, text: string) {
    this.#unnamed = once(phase, '', text)
    this.#scratch = once(phase, SCRATCH, text)
  }

  on(slot: Slot): Step {
    return slot === '' ? this.#unnamed : this.#scratch
  }
}

// The mode is always named: what an earlier user left as the session's default would otherwise hold for this transaction,
// which begins before RESET ALL. (On a standby pass readOnly: true.)
export const BEGIN = new ControlStatement('begin', 'begin isolation level read committed read write')
export const BEGIN_READ_ONLY = new ControlStatement('begin', 'begin isolation level read committed read only')
/** Fires deferred constraint triggers before the gate is asked, not after: they are the tenant's code as well. */
export const CONSTRAINTS = new ControlStatement('constraints', 'set constraints all immediate')
export const COMMIT = new ControlStatement('commit', 'commit')
export const ROLLBACK = new ControlStatement('rollback', 'rollback')

/** All settings go back to those of the connection, except role, session user and seed: `app.user` and `client_encoding` matter. */
export const RESET = new ControlStatement('clean', 'reset all')

/**
 * Takes away what a session may hold beyond its settings (hazard k'): held cursors, channels, sequence state.
 * Temporary objects are {@link DISCARD_TEMP}'s; locks, seed and role are the gate's.
 */
export const CLEAN: readonly ControlStatement[] = [
  // guard: k': close all
  new ControlStatement('clean', 'close all'),
  // guard: k': unlisten *
  new ControlStatement('clean', 'unlisten *'),
  // guard: k': discard sequences
  new ControlStatement('clean', 'discard sequences'),
]

/** Temporary tables, types and functions. */
export const DISCARD_TEMP = new ControlStatement('clean', 'discard temp')

/** Statements under names, and with them their texts. */
export const DEALLOCATE = new ControlStatement('clean', 'deallocate all')
/** The role that somebody left, where the gate names what that role may not: the gate takes it back, but is parsed first. */
export const NO_ROLE = new ControlStatement('clean', 'set local role none')
/** A superuser's session may be somebody else's by now; its role goes with it. */
export const AUTHORIZATION = new ControlStatement('clean', 'set session authorization default')
