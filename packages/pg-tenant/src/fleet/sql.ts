import { createHash } from 'node:crypto'
import { prepareValue } from 'pg/lib/utils.js'
import type { Phase, Sink, Step } from '../driver/exchange.ts'
import type { ConnectionMemory } from '../driver/memory.ts'
import { bind, close, execute, parse, statement } from '../driver/messages.ts'

/** A statement with values, parsed each time. */
export function once(phase: Phase, text: string, values: readonly unknown[] = [], sink?: Sink): Step {
  if (values.length === 0 && !sink) return { phase, bytes: statement(text) }
  const bytes = Buffer.concat([parse('', text), bind('', '', values.map(prepareValue)), execute('', 0)])
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
  const name = nameOf(text)
  const run = Buffer.concat([bind('', name, values.map(prepareValue)), execute('', 0)])
  const rest = { phase, ...(sink && { sink }), runs: name }
  if (memory.prepared.has(name)) return { ...rest, bytes: run }
  return {
    ...rest,
    bytes: Buffer.concat([close('S', name), parse(name, text), run]),
    prepares: { name, text },
  }
}

const names = new Map<string, string>()

function nameOf(text: string): string {
  let name = names.get(text)
  if (name === undefined) {
    name = `pg_tenant_fleet_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
    names.set(text, name)
  }
  return name
}
