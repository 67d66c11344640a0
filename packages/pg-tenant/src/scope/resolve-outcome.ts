import { setTimeout as delay } from 'node:timers/promises'
import { TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import { anew, bind, execute } from '../driver/messages.ts'
import type { PoolLike } from '../driver/types.ts'
import { INCARNATION } from './control.ts'
import type { ScopeSettings } from './options.ts'

/** What must be known before COMMIT to ask about it afterwards. */
export interface Ticket {
  /** The transaction id; `0` if nothing was written. */
  readonly xid: string
  readonly incarnation: string
  /** Whether nothing but this server's own transaction can have taken effect. */
  readonly alone: boolean
}

/** Milliseconds between two looks at a transaction that the server still counts as running. */
const POLL_MS = 50
/** How long to ask at least, in milliseconds: the old backend may take a while to notice that its client is gone. */
const MIN_PATIENCE_MS = 10_000

/**
 * Asks the server what became of a transaction whose COMMIT was never answered (`pg_xact_status`, manual 9.27.9).
 *
 * @param ticket fetched before COMMIT
 * @param unknown what to throw if the server cannot tell within the statement timeout
 * @returns when the transaction is committed
 * @throws TenancyError CONNECTION_LOST when it was rolled back; else `unknown`
 */
export async function resolveOutcome(
  pool: PoolLike,
  { xid, incarnation, alone }: Ticket,
  settings: ScopeSettings,
  unknown: TenancyError,
): Promise<void> {
  if (xid === '0' && alone) return
  if (xid === '0') throw unknown
  const until = performance.now() + Math.max(settings.statementTimeout, MIN_PATIENCE_MS)
  while (performance.now() < until) {
    const status = await statusOf(pool, { xid, incarnation }, settings).catch(() => 'unreachable')
    if (status === 'committed') return
    if (status === 'aborted' && alone) {
      throw new TenancyError(
        'CONNECTION_LOST',
        'The connection was lost at COMMIT; the server rolled back, nothing was committed.',
      )
    }
    if (status !== 'in progress' && status !== 'unreachable') break
    await delay(POLL_MS)
  }
  throw unknown
}

async function statusOf(
  pool: PoolLike,
  { xid, incarnation }: Pick<Ticket, 'xid' | 'incarnation'>,
  settings: ScopeSettings,
): Promise<string | null> {
  const session = await checkout(pool, settings.connectionTimeout, undefined)
  let status: string | null = null
  const text = `select case (${INCARNATION})::text when $2 then pg_catalog.pg_xact_status($1::pg_catalog.xid8) else 'crashed' end`
  const { slot } = session
  const bytes = Buffer.concat([anew(slot, text), bind('', slot, [xid, incarnation]), execute('', 0)])
  const sink = {
    row: ([value]: (string | null)[]) => {
      status = value ?? null
    },
  }
  const outcome = await session.send([{ phase: 'statement', bytes, sink }], settings.statementTimeout)
  session.release(undefined)
  if (outcome.kind !== 'done') throw outcome.error
  return status
}
