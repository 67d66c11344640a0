import { createHash } from 'node:crypto'
import { prepareValue } from 'pg/lib/utils.js'
import type { Sink, Step } from '../driver/exchange.ts'
import type { ConnectionMemory } from '../driver/memory.ts'
import { bind, close, execute, parse, statement } from '../driver/messages.ts'
import type { Phase } from '../errors/outcome.ts'

const EXECUTE = execute('', 0)

/** A statement with values, parsed each time. */
export function once(phase: Phase, text: string, values: readonly unknown[] = [], sink?: Sink): Step {
  if (values.length === 0 && !sink) return { phase, bytes: statement(text) }
  const bytes = Buffer.concat([parse('', text), bind('', '', values.map(prepareValue)), EXECUTE])
  return { phase, bytes, ...(sink && { sink }) }
}

/**
 * A statement that is the same for every tenant: on a direct connection it is parsed and planned once and kept under a
 * name. Whether it is direct, {@link open} finds out.
 */
export function kept(
  memory: ConnectionMemory,
  phase: Phase,
  text: string,
  values: readonly unknown[],
  sink?: Sink,
): Step {
  if (memory.direct !== true) return once(phase, text, values, sink)
  const { name, run } = namedOf(text)
  const bytes = values.length === 0 ? run : Buffer.concat([bind('', name, values.map(prepareValue)), EXECUTE])
  if (memory.prepared.has(name))
    return sink ? { phase, bytes, sink, runs: name } : { phase, bytes, runs: name }
  return {
    phase,
    ...(sink && { sink }),
    runs: name,
    bytes: Buffer.concat([close('S', name), parse(name, text), bytes]),
    prepares: { name, text },
  }
}

interface Named {
  readonly name: string
  /** Runs it without values. */
  readonly run: Buffer
}

/** One entry for each statement of this folder and control schema: never for a tenant. */
const known = new Map<string, Named>()

function namedOf(text: string): Named {
  const found = known.get(text)
  if (found) return found
  const name = `pg_tenant_fleet_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
  const named = { name, run: Buffer.concat([bind('', name, []), EXECUTE]) }
  known.set(text, named)
  return named
}
