import { SQLSTATE } from '@org/core'
import type { Sink } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { once, ROLLBACK } from './control.ts'
import type { Sent } from './kept.ts'
import { leaving } from './leaving.ts'

// Why a scope that could not open may be opened once more. Nothing has run then: everything behind the refused step was skipped.

/** Whether what opens the tenant names something that is not there. */
export function foundNothing({ outcome, sent }: Sent): boolean {
  if (outcome.kind !== 'failed') return false
  const phase = sent[outcome.step]?.phase
  return (phase === 'gate' || phase === 'pin') && NOT_THERE.includes(outcome.error.code)
}

/** No such table, schema, or (for `set_config('role', …)`) role. */
const NOT_THERE: readonly string[] = [
  SQLSTATE.UNDEFINED_TABLE,
  SQLSTATE.INVALID_SCHEMA_NAME,
  SQLSTATE.INVALID_PARAMETER_VALUE,
]

/**
 * What opens a tenant that is not where it was looked for: it may have been adopted, or have moved. Asked once the session is
 * nobody's again.
 *
 * @returns `undefined` when nothing else is known than was tried
 */
export async function entranceNow(
  session: Session,
  { gate, renewal }: Entrance,
  patienceMs: number,
): Promise<Entrance | undefined> {
  if (!renewal) return undefined
  const { question, answered } = renewal()
  let row: readonly (string | null)[] | undefined
  const sink: Sink = {
    row: (values) => {
      row = values
    },
  }
  const leave = leaving(session, gate, session.memory.unnamed === session.form?.text)
  const ask = question === undefined ? [] : [once('statement', session.slot, question, sink)]
  const { kind } = await session.send([ROLLBACK.on(session.slot), ...leave, ...ask], patienceMs)
  return kind === 'done' ? await answered(row) : undefined
}

/**
 * Whether a statement that should have been on the server was not, or was another (which takes other parameters), or calls
 * the function to leave by, which is not there any more.
 */
export function forgotStatement(attempt: Sent): attempt is Sent & { outcome: { kind: 'failed' } } {
  const { outcome, sent } = attempt
  if (outcome.kind !== 'failed') return false
  const { runs } = sent[outcome.step] ?? {}
  if (runs === undefined) return false
  const { code } = outcome.error
  if (code === SQLSTATE.INVALID_SQL_STATEMENT_NAME) return true
  return runs === '' && (code === SQLSTATE.PROTOCOL_VIOLATION || code === SQLSTATE.UNDEFINED_FUNCTION)
}
