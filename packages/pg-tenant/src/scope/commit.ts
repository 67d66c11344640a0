import { TenancyError } from '@org/core'
import type { Sink, Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromFailedCommit } from '../errors/from-commit.ts'
import { connectionLost, fromFailedStep, fromLostCommit } from '../errors/from-scope.ts'
import type { Outcome } from '../errors/outcome.ts'
import { COMMIT, CONSTRAINTS, INCARNATION, once } from './control.ts'
import type { Conversation, Steps } from './conversation.ts'
import { giveBack, leaving, undo } from './leaving.ts'
import { TAIL } from './opening.ts'
import type { ScopeSettings } from './options.ts'
import type { Ticket } from './resolve-outcome.ts'

// Whether this server's transaction is the only one. Where Citus is loaded, whatever the tenancy was told, other nodes commit ahead of it;
// what was written through a foreign table (postgres_fdw), which is locked until the end, is committed by another server and assigns
// no transaction id here.
const ALONE = `pg_catalog.current_setting('citus.enable_schema_based_sharding', true) is null
  and case when exists (select from pg_catalog.pg_foreign_table) then not exists (
    select from pg_catalog.pg_lock_status() l
    join pg_catalog.pg_foreign_table f on f.ftrelid operator(pg_catalog.=) l.relation
    where l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()) else true end`

/** Asked before COMMIT: the {@link Ticket}. */
export const TICKET = `select coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, '0'), (${INCARNATION}), ${ALONE}`

/**
 * Runs the last statements and the check that the scope still is what it was, and asks for what COMMIT will have to be known by.
 *
 * @throws TenancyError as `run` does; nothing was committed
 */
export async function askTicket(
  run: (steps: Steps) => Promise<void>,
  last: Steps,
  settings: Writing,
): Promise<Ticket> {
  let ticket: Ticket = { xid: '', incarnation: '', alone: false }
  const sink: Sink = {
    row: ([xid, incarnation, alone]) => {
      ticket = { xid: xid ?? '', incarnation: incarnation ?? '', alone: alone === 't' }
    },
  }
  await run((one) => [...checked(one, last, settings), once('tail', one.slot, TICKET, sink)])
  return ticket
}

/** How a scope ends. */
export interface Ending {
  /** The last statements; with a ticket they have run already, and so has the check. */
  readonly last: Steps
  readonly ticket: Ticket | undefined
  /** To ask with, should the connection be lost. */
  readonly pool: PoolLike
}

/**
 * Runs the last statements, if any, checks that the scope still is what it was, commits and leaves the session: one message.
 *
 * @throws TenancyError SCOPE_ESCAPED, UNKNOWN_OUTCOME, CONFLICT, … ; unless the outcome is unknown, nothing was committed
 */
export async function commit(session: Session, scope: Conversation, ending: Ending): Promise<void> {
  const { last, ticket } = ending
  const notices = scope.settings.distributed ? session.collectNotices() : undefined
  const started = performance.now()
  const answer: Answer = new Answer()
  const exchange = scope.send(session, (one) => {
    // The last statements first: what leaves the session depends on what they name.
    const ahead = ticket ? [] : checked(one, last, scope.settings)
    return ahead.concat({ ...COMMIT.on(one.slot), sink: answer }, leaving(one, scope.entrance.gate, true))
  })
  const { outcome, sent } = await (notices ? exchange.finally(() => notices.stop()) : exchange)
  if (answer.tag === 'COMMIT' && outcome.kind === 'done' && outcome.status === 'I') {
    const leaves = giveBack(session, scope)
    if (leaves) await leaves
    return
  }
  if (answer.tag === 'COMMIT' && outcome.kind !== 'done') {
    // It is committed, whatever went wrong behind it.
    session.destroy()
    return
  }
  if (outcome.kind === 'lost') return await lost(session, scope, outcome, sent, ending)
  if (outcome.kind === 'failed') {
    const phase = sent[outcome.step]?.phase ?? 'commit'
    if (outcome.status === 'I' && phase === 'commit') session.release(undefined)
    else if (phase === 'tail') session.destroy()
    else await undo(session, scope)
    const facts = { ...scope.settings, elapsed: performance.now() - started }
    if (phase === 'commit') throw fromFailedCommit(outcome.error, notices?.notices, facts)
    throw fromFailedStep(phase, outcome.error, facts)
  }
  session.destroy()
  throw new TenancyError(
    'SILENT_ROLLBACK',
    'The server answered COMMIT with a rollback; nothing was committed.',
  )
}

type Writing = Pick<ScopeSettings, 'readOnly'>

/**
 * The last statements, and the check. Where nothing may be written no trigger waits: even temporary tables, which may be written
 * then, cannot be made, and READ WRITE is refused behind the gate (manual, SET TRANSACTION).
 */
function checked(session: Session, last: Steps, { readOnly }: Writing): readonly Step[] {
  return last(session).concat(readOnly ? [] : CONSTRAINTS.on(session.slot), TAIL)
}

/** What is to be said of a COMMIT that nobody answered. */
async function lost(
  session: Session,
  { settings }: Conversation,
  outcome: Extract<Outcome, { kind: 'lost' }>,
  sent: readonly Step[],
  { ticket, pool }: Ending,
): Promise<void> {
  session.destroy()
  const at = sent.findIndex(({ phase }) => phase === 'commit')
  const error = outcome.unsent ? connectionLost(outcome.error) : fromLostCommit(outcome, at)
  if (error.code !== 'UNKNOWN_OUTCOME' || !ticket) throw error
  // Nobody to ask with: it stays unknown.
  const asking = await import('./resolve-outcome.ts').catch(() => undefined)
  if (!asking) throw error
  await asking.resolveOutcome(pool, ticket, settings, error)
}

/** What COMMIT answers. */
class Answer implements Sink {
  tag = ''

  complete(tag: string): void {
    this.tag = tag
  }
}
