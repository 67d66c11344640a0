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
 *
 * @param portal where it is bound, for as long as the unnamed one is taken
 */
export function kept(
  memory: ConnectionMemory,
  phase: Phase,
  text: string,
  values: readonly unknown[],
  sink?: Sink,
  portal = '',
): Step {
  const elsewhere = portal !== ''
  if (memory.direct !== true && !elsewhere) return once(phase, text, values, sink)
  const { ahead, name, known } = parsed(memory, text)
  const run =
    values.length === 0 && !elsewhere && known
      ? [known.run]
      : [
          ...(elsewhere ? [close('P', portal)] : []),
          bind(portal, name, values.map(prepareValue)),
          executing(portal),
        ]
  return {
    phase,
    bytes: joined([...ahead, ...run]),
    ...(sink && { sink }),
    ...remembered(memory, known, text),
  }
}

/** The same, bound and not run yet: by {@link running} the unnamed portal, later in the message. */
export function held(memory: ConnectionMemory, phase: Phase, text: string, values: readonly unknown[]): Step {
  const { ahead, name, known } = parsed(memory, text)
  const bytes = joined([...ahead, bind('', name, values.map(prepareValue))])
  return { phase, bytes, endsBound: true, ...remembered(memory, known, text) }
}

/** A statement with values, parsed each time and bound to a portal of this name: by {@link running} it, later in the message. */
export function boundTo(portal: string, phase: Phase, text: string, values: readonly unknown[]): Step {
  const bytes = joined([parse('', text), close('P', portal), bind(portal, '', values.map(prepareValue))])
  return { phase, bytes, endsBound: true }
}

/** Runs what was bound to a portal. */
export function running(portal: string, phase: Phase, sink?: Sink): Step {
  return { phase, bytes: executing(portal), ...(sink && { sink }) }
}

const executing = (portal: string) => (portal === '' ? EXECUTE : execute(portal, 0))
const joined = (parts: readonly Buffer[]) =>
  parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)

/** What goes ahead of a bind: nothing, where the statement is there. */
function parsed(memory: ConnectionMemory, text: string): { ahead: Buffer[]; name: string; known?: Named } {
  if (memory.direct !== true) return { ahead: [parse('', text)], name: '' }
  const known = namedOf(text)
  const { name } = known
  return { ahead: memory.prepared.has(name) ? [] : [close('S', name), parse(name, text)], name, known }
}

function remembered(memory: ConnectionMemory, known: Named | undefined, text: string): Partial<Step> {
  if (!known) return {}
  const { name } = known
  return memory.prepared.has(name) ? { runs: name } : { runs: name, prepares: { name, text } }
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
