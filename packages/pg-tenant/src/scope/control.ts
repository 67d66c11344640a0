import { randomFillSync } from 'node:crypto'
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
/** Where the session's own default is the usual mode: naming it takes longer than beginning. */
export const BEGIN_AS_IT_IS = new ControlStatement('begin', 'begin')
export const BEGIN_READ_ONLY_AS_IT_IS = new ControlStatement('begin', 'begin read only')
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

/**
 * A fingerprint of the server's shared memory: it survives an orderly restart and changes with every crash. After a
 * crash, transaction ids whose WAL had not been flushed are handed out again, so `pg_xact_status` may speak of somebody
 * else's transaction; it is believed only when this has not changed.
 */
export const INCARNATION = 'select extract(epoch from pg_catalog.pg_stat_get_bgwriter_stat_reset_time())'

// What is new in every scope: names that nobody else uses, and a seed that nobody can know.

/** What names of the library's own portals and savepoints begin with. */
export const PORTAL_PREFIX = 'pgt_'

const RUN = Math.random().toString(36).slice(2, 10)
let made = 0

/** The gate's portal: one in each transaction, which it cannot outlive, so that all may have the same name. */
export const GATE = `${PORTAL_PREFIX}gate_${RUN}`

/** Name of a portal that nobody else uses. */
export function nextPortal(): string {
  made++
  return `${PORTAL_PREFIX}stream_${RUN}_${made.toString(36)}`
}

const AT_ONCE = 256
const numbers = new Uint32Array(AT_ONCE)
let left = 0

/** Digits of a seed behind the point. */
const DIGITS = 12

/** How long the text of every seed is: messages are kept, and only it is written into them. */
export const SEED_LENGTH = DIGITS + 3

/**
 * A seed for the server's `random()`, -1 to 1, that nobody can know: a tenant may have set one with `setseed`, and RESET ALL
 * leaves it (manual 9.3).
 */
export function nextSeed(): string {
  if (left === 0) {
    randomFillSync(numbers)
    left = AT_ONCE
  }
  const seed = (numbers[--left] as number) / 2 ** 31 - 1
  return seed < 0 ? seed.toFixed(DIGITS) : `+${seed.toFixed(DIGITS)}`
}
