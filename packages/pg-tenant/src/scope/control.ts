import type { Step } from '../driver/exchange.ts'
import type { ConnectionMemory } from '../driver/memory.ts'
import { bind, close, execute, parse, statement } from '../driver/messages.ts'
import type { Phase } from '../errors/outcome.ts'

/**
 * A statement of the scope itself, always the same text. On a direct connection it is parsed once and kept under a
 * name: that halves the cost of a scope. Behind a pooler it is sent whole, because names clash there (hazard p).
 */
export class ControlStatement {
  readonly #whole: Step
  readonly #first: Step
  readonly #again: Step

  constructor(phase: Phase, name: string, text: string) {
    const run = Buffer.concat([bind('', name, []), execute('', 0)])
    this.#whole = { phase, bytes: statement(text) }
    // Forgetting the name first is free and makes this right even when our memory of the connection is not.
    this.#first = {
      phase,
      bytes: Buffer.concat([close('S', name), parse(name, text), run]),
      prepares: { name, text },
    }
    this.#again = { phase, bytes: run }
    this.name = name
  }

  readonly name: string

  on(memory: ConnectionMemory): Step {
    if (memory.direct !== true) return this.#whole
    return memory.prepared.has(this.name) ? this.#again : this.#first
  }
}

// The mode is always named: what an earlier user left as the session's default would otherwise hold for this transaction,
// which begins before RESET ALL. (On a standby pass readOnly: true.)
export const BEGIN = new ControlStatement(
  'begin',
  'pg_tenant_begin',
  'begin isolation level read committed read write',
)
export const BEGIN_READ_ONLY = new ControlStatement(
  'begin',
  'pg_tenant_begin_ro',
  'begin isolation level read committed read only',
)
/** Fires deferred constraint triggers before the gate is asked, not after: they are the tenant's code as well. */
export const CONSTRAINTS = new ControlStatement(
  'constraints',
  'pg_tenant_constraints',
  'set constraints all immediate',
)
export const COMMIT = new ControlStatement('commit', 'pg_tenant_commit', 'commit')
export const ROLLBACK = new ControlStatement('rollback', 'pg_tenant_rollback', 'rollback')

/** Settings go back to those of the connection, for the same tenant as well: `app.user` and `client_encoding` matter. */
export const RESET = new ControlStatement('clean', 'pg_tenant_reset', 'reset all')

/**
 * Removes what an earlier user of the session may have left on it (hazard k'): held cursors, channels,
 * temporary tables, sequence state. Advisory locks are released in the gate.
 */
export const CLEAN: readonly ControlStatement[] = [
  // guard: k': close all
  new ControlStatement('clean', 'pg_tenant_close', 'close all'),
  // guard: k': unlisten *
  new ControlStatement('clean', 'pg_tenant_unlisten', 'unlisten *'),
  // guard: k': discard temp
  new ControlStatement('clean', 'pg_tenant_temp', 'discard temp'),
  // guard: k': discard sequences
  new ControlStatement('clean', 'pg_tenant_sequences', 'discard sequences'),
]
