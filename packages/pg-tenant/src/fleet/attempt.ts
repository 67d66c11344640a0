import { SQLSTATE, TenancyError } from '@org/core'
import { isPending, leftPending, MOST_MS } from '../admin/in-room.ts'
import { ESCAPED } from '../admin/room-left.ts'
import { FOREIGN_CODE } from '../admin/tenant-room.ts'
import type { Session } from '../driver/session.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { connectionLost } from '../errors/from-scope.ts'
import type { Outcome } from '../errors/outcome.ts'
import { type ServerError, withDriverError } from '../errors/server-error.ts'
import { foreignCode } from '../lifecycle/apply-migrations.ts'
import { STALE } from './ledger-sql.ts'
import { MAY_PEND, type Part, type Seen } from './room-parts.ts'
import { once } from './sql.ts'

/** Why a try did not succeed, and what follows from it. */
export type Trouble =
  /** Somebody else has the tenant's lock: later again. */
  | { readonly kind: 'busy'; readonly error: TenancyError }
  /** The tenant is not as the plan says: look again. */
  | { readonly kind: 'stale' }
  /** A lock, a deadlock, a lost connection: the same again may well succeed. */
  | { readonly kind: 'passing'; readonly error: TenancyError }
  | { readonly kind: 'failed'; readonly error: TenancyError; readonly mayPend?: boolean }

const PASSING: ReadonlySet<string> = new Set([
  SQLSTATE.LOCK_NOT_AVAILABLE,
  SQLSTATE.DEADLOCK_DETECTED,
  SQLSTATE.SERIALIZATION_FAILURE,
  SQLSTATE.INVALID_SQL_STATEMENT_NAME,
  SQLSTATE.TOO_MANY_CONNECTIONS,
  SQLSTATE.CONFIGURATION_LIMIT_EXCEEDED,
])

/** A row is there already, or one that must be there is not: the ledger in the schema is ahead of the registry's, or behind. */
const DISAGREE: ReadonlySet<string> = new Set([SQLSTATE.UNIQUE_VIOLATION, SQLSTATE.NOT_NULL_VIOLATION])

/** CLOSE takes away what was to be asked behind a room; FETCH has it fail inside, and for good. */
const UNASKED: ReadonlySet<string> = new Set([
  SQLSTATE.INVALID_CURSOR_NAME,
  SQLSTATE.OBJECT_NOT_IN_PREREQUISITE_STATE,
])

/** Milliseconds beyond the server's own limit after which a silent connection is given up. */
const GRACE_MS = 60_000

/**
 * Sends a message and, when it failed, a rollback behind it; resolves with what was in the way.
 *
 * @param ends how it leaves the connection: behind COMMIT, or in a transaction that goes on
 */
export async function attempt(
  session: Session,
  tenant: string,
  parts: readonly Part[],
  limits: { readonly lockTimeout: number; readonly statementTimeout: number },
  ends: 'I' | 'T' = 'I',
): Promise<Trouble | undefined> {
  const { statementTimeout } = limits
  const statements = parts.reduce((sum, { room }) => sum + (room?.where.length ?? 1), 0)
  const patience =
    statementTimeout === 0 ? MOST_MS : Math.min(MOST_MS, statementTimeout * statements + GRACE_MS)
  const steps = parts.map(({ step }) => step)
  const outcome = await session.send(steps, patience)
  if (outcome.kind === 'done' && outcome.status === ends) return undefined
  if (outcome.kind !== 'lost') await undo(session)
  return troubleOf(outcome, tenant, parts, limits)
}

/** Runs it again where triggers may be pending: the owner is asked then, and from then on at once. */
export async function askingOwner(
  seen: Seen,
  run: () => Promise<Trouble | undefined>,
): Promise<Trouble | undefined> {
  const trouble = await run()
  if (trouble?.kind !== 'failed' || !trouble.mayPend) return trouble
  seen.deferrable = true
  return await run()
}

/**
 * Takes back what a message did. A tenant's code may have run in it, and what it prepared under our names or locked for the
 * session outlives the rollback.
 */
export async function undo(session: Session): Promise<void> {
  if (!session.alive) return
  session.memory.prepared.clear()
  await session.send([once('rollback', 'rollback')], GRACE_MS)
  await session.send(CLEAR, GRACE_MS)
}

const CLEAR = [once('clean', 'deallocate all'), once('clean', 'select pg_catalog.pg_advisory_unlock_all()')]

function troubleOf(
  outcome: Outcome,
  tenant: string,
  parts: readonly Part[],
  limits: { readonly lockTimeout: number; readonly statementTimeout: number },
): Trouble {
  if (outcome.kind === 'done') return { kind: 'failed', error: endedTransaction(tenant, undefined) }
  // COMMIT may have been under way. That does not matter: the next try finds out from the ledger.
  if (outcome.kind === 'lost') return { kind: 'passing', error: connectionLost(outcome.error) }
  const { error, step } = outcome
  const part = parts[step]
  if (part?.step.phase === 'gate' && error.code === SQLSTATE.LOCK_NOT_AVAILABLE)
    return { kind: 'busy', error: busy(tenant, error) }
  const known = error.message.includes(STALE) || DISAGREE.has(error.code)
  const at = part?.room?.call.failedAt(error)
  const where = at === undefined ? part : part?.room?.where[at]
  if (known && !where?.script) return { kind: 'stale' }
  const mayPend = error.message.includes(MAY_PEND)
  if (mayPend || (part?.step.phase === 'tail' && isPending(error)))
    return { kind: 'failed', error: leftPending(error), mayPend }
  if (error.message.includes(FOREIGN_CODE)) return { kind: 'failed', error: foreignCode(error) }
  const unasked = part?.step.phase === 'tail' && UNASKED.has(error.code)
  if (error.message.includes(ESCAPED) || unasked) {
    return { kind: 'failed', error: withDriverError(endedTransaction(tenant, where), error) }
  }
  const coded = located(
    fromDatabase(error, { ...limits, elapsed: Number.POSITIVE_INFINITY, text: part?.script?.sql }),
    tenant,
    where,
    error,
  )
  return { kind: PASSING.has(error.code) ? 'passing' : 'failed', error: coded }
}

/** The same error with the place it came from. */
function located(
  error: TenancyError,
  tenant: string,
  where: Pick<Part, 'script' | 'line' | 'number'> | undefined,
  original: ServerError,
): TenancyError {
  const { script, line, number } = where ?? {}
  const missing =
    !script && (original.code === SQLSTATE.UNDEFINED_TABLE || original.code === SQLSTATE.INVALID_SCHEMA_NAME)
  if (missing) {
    return withDriverError(
      new TenancyError(
        'SCHEMA_MISSING',
        "The tenant's schema or its ledger is not there. Run doctor, or provision(key).",
        {
          details: { tenant, sqlState: original.code },
        },
      ),
      original,
    )
  }
  const place = script ? `Migration ${script.id}${line === undefined ? '' : `, line ${line}`}: ` : ''
  const details = {
    ...error.details,
    tenant,
    ...(script && { migration: script.id }),
    ...(line !== undefined && { line }),
    ...(number !== undefined && { statement: number }),
  }
  return withDriverError(new TenancyError(error.code, place + error.message, { details }), original)
}

function busy(tenant: string, error: ServerError): TenancyError {
  return withDriverError(
    new TenancyError(
      'CONFLICT',
      'Somebody else is provisioning, migrating or dropping this tenant. Run it again later.',
      {
        details: { tenant },
      },
    ),
    error,
  )
}

function endedTransaction(tenant: string, part: Pick<Part, 'script'> | undefined): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    'A migration, or a trigger it ran, ended its transaction, changed its role or search path, prepared a statement, or closed or ' +
      'fetched cursors of others. Take COMMIT, ROLLBACK, SET ROLE, PREPARE, CLOSE ALL and set_config out of it.',
    { details: { tenant, ...(part?.script && { migration: part.script.id }) } },
  )
}
