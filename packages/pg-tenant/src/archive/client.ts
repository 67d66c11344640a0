import { isTenancyError, TenancyError } from '@org/core'
import { type Admin, adminOf, isSpent } from '../admin/transaction.ts'
import { cancelBackend } from '../driver/cancel.ts'
import { connectTo } from '../driver/checkout.ts'
import { isWireClient, type PoolClientLike, type PoolLike, type WireClient } from '../driver/types.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { aborted, connectionLost, unknownOutcome } from '../errors/from-scope.ts'
import { isServerError } from '../errors/server-error.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { throwIfAborted } from './abort.ts'

/** Milliseconds a backup or restore waits for a lock, as other administrative work does. */
export const LOCK_TIMEOUT_MS = 10_000

/** The administrator's connection for one piece of work that needs more than statements: COPY, locks of the session. */
export interface AdminClient extends Admin {
  /** The connection itself. */
  readonly client: PoolClientLike
  readonly wire: WireClient
  readonly signal: AbortSignal | undefined
  /** Says that this transaction makes unlogged tables, which a ROLLBACK is not to leave to chance. */
  noteUnlogged(): void
}

// A server that dies behind a ROLLBACK of unlogged tables, before the log of that is on disk (some 200 ms), does not start at the first
// try (PostgreSQL's bug 17731): the log is written at once, in the message of the ROLLBACK.
const FLUSHED = `do $$ begin
    perform pg_catalog.set_config('synchronous_commit', 'local', true), pg_catalog.pg_logical_emit_message(true, 'pg-tenant', '');
  exception when others then null; end $$; `

// How values, names and definitions are written and read as text must not depend on the server, the database or the role. Time limits
// of the server would end a long COPY. Row security would leave rows out in silence: switched off it raises instead. Sequential scans
// that start in the middle are of no use to anybody who reads it all. Queries over the catalogue are estimated far too high, and compiling
// them takes longer than they do. No object of a tenant may stand in for one of the catalogue.
const PINNED = `select set_config(name, value, true) from (values
    ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'), ('extra_float_digits', '3'),
    ('bytea_output', 'hex'), ('xmloption', 'content'), ('array_nulls', 'on'), ('transform_null_equals', 'off'),
    ('standard_conforming_strings', 'on'), ('quote_all_identifiers', 'off'), ('row_security', 'off'), ('synchronize_seqscans', 'off'),
    ('search_path', '${OWN_PATH}'), ('jit', 'off'), ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0')
  ) as pinned (name, value) where current_setting(name, true) is not null`

/** Where the work stands: behind COMMIT nothing is cancelled any more. */
interface Phase {
  committing: boolean
  unlogged: boolean
}

/**
 * Runs `fn` on one connection of the administrator, in no transaction yet; afterwards the connection goes back to the
 * pool if it answers a ROLLBACK, else to nobody. `signal` cancels what runs, until COMMIT is sent.
 *
 * @throws TenancyError what `fn` throws; DATABASE_ERROR, CONFLICT, TIMEOUT, ABORTED, CONNECTION_LOST, POOL_EXHAUSTED
 */
export async function withAdminClient<T>(
  pool: PoolLike,
  fn: (admin: AdminClient) => Promise<T>,
  signal?: AbortSignal | undefined,
): Promise<T> {
  throwIfAborted(signal)
  const client = await connectTo(pool)
  if (!isWireClient(client)) {
    client.release()
    throw new TenancyError(
      'INVALID_OPTION',
      "The admin pool's clients are not those of pg's JavaScript driver (8.21 or later).",
      { details: { option: 'adminPool' } },
    )
  }
  const phase: Phase = { committing: false, unlogged: false }
  const canceller = cancelOnAbort(client, phase, signal)
  const admin = clientOf(client, phase, signal)
  try {
    const result = await fn(admin)
    await canceller.settled()
    await giveBack(client, phase, isSpent(client, admin, false))
    return result
  } catch (error) {
    await canceller.settled()
    const there = await giveBack(client, phase, isSpent(client, admin, true))
    if (signal?.aborted && !phase.committing) throw aborted(signal)
    throw there ? coded(error, phase) : lost(error, phase)
  }
}

/** Begins a transaction; `mode` as SQL has it (`read only`). No snapshot is taken yet. */
export async function begin(admin: AdminClient, mode: string): Promise<void> {
  await admin.run(`begin isolation level ${mode}; set local search_path to ${OWN_PATH};
    set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local statement_timeout = 0`)
}

/** Settles how values are read and written. It takes the snapshot. */
export async function pinSettings(admin: Admin): Promise<void> {
  await admin.run(PINNED)
}

function clientOf(
  client: PoolClientLike & WireClient,
  phase: Phase,
  signal: AbortSignal | undefined,
): AdminClient {
  const guarded: PoolClientLike = {
    query: (text, values) => {
      // Behind COMMIT the work is done, whatever the caller wants by now.
      if (!phase.committing) throwIfAborted(signal)
      phase.committing = text === 'commit'
      return client.query(text, values)
    },
    release: (destroy) => client.release(destroy),
    on: (event, listener) => client.on(event, listener),
  }
  const noteUnlogged = () => {
    // guard: a server killed right behind a ROLLBACK of unlogged tables starts at the first try
    phase.unlogged = true
  }
  return { ...adminOf(guarded), client, wire: client, signal, noteUnlogged }
}

/**
 * Cancels on the server whatever runs when the signal fires. The connection is not used again before the server has taken
 * the request: a late one would hit the next statement (hazard i).
 */
function cancelOnAbort(
  client: WireClient,
  phase: Phase,
  signal: AbortSignal | undefined,
): { settled(): Promise<unknown> } {
  let sent: Promise<unknown> = Promise.resolve()
  const cancel = () => {
    if (!phase.committing) sent = cancelBackend(client)
  }
  signal?.addEventListener('abort', cancel, { once: true })
  return {
    settled: () => {
      signal?.removeEventListener('abort', cancel)
      return sent
    },
  }
}

/**
 * Back to the pool only after an answered ROLLBACK (hazard g); behind a COMMIT it does nothing.
 *
 * @param ends whether the session may hold what a rollback does not take back, or too much of what it ran
 */
async function giveBack(client: PoolClientLike, phase: Phase, ends: boolean): Promise<boolean> {
  const flushed = phase.unlogged && !phase.committing ? FLUSHED : ''
  try {
    await client.query(
      `rollback; ${flushed}reset lock_timeout; reset search_path; select pg_catalog.pg_advisory_unlock_all()`,
    )
    client.release(ends)
    return true
  } catch {
    client.release(true)
    return false
  }
}

function coded(error: unknown, phase: Phase): unknown {
  if (isTenancyError(error)) return error
  if (isServerError(error)) {
    return fromDatabase(error, { statementTimeout: Infinity, lockTimeout: LOCK_TIMEOUT_MS, elapsed: 0 })
  }
  return lost(error, phase)
}

function lost(error: unknown, { committing }: Phase): unknown {
  if (isTenancyError(error) || !(error instanceof Error)) return error
  return committing ? unknownOutcome(error) : connectionLost(error)
}
