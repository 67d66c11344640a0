import { setTimeout as delay } from 'node:timers/promises'
import { TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import { bind, execute, parse } from '../driver/messages.ts'
import type { PoolLike } from '../driver/types.ts'
import type { ScopeSettings } from './options.ts'

/** Milliseconds between two looks at a transaction that the server still counts as running. */
const POLL_MS = 50

/**
 * Asks the server what became of a transaction whose COMMIT was never answered (`pg_xact_status`, manual 9.27.9).
 *
 * @param xid the transaction id fetched before COMMIT; `0` if nothing was written
 * @param unknown what to throw if the server cannot tell within the statement timeout
 * @returns when the transaction is committed
 * @throws TenancyError CONNECTION_LOST when it was rolled back; else `unknown`
 */
export async function resolveOutcome(
  pool: PoolLike,
  xid: string,
  settings: ScopeSettings,
  unknown: TenancyError,
): Promise<void> {
  if (xid === '0') return
  const until = performance.now() + settings.statementTimeout
  while (performance.now() < until) {
    const status = await statusOf(pool, xid, settings).catch(() => 'unreachable')
    if (status === 'committed') return
    if (status === 'aborted') {
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

async function statusOf(pool: PoolLike, xid: string, settings: ScopeSettings): Promise<string | null> {
  const session = await checkout(pool, settings.connectionTimeout, undefined)
  let status: string | null = null
  const text = 'select pg_catalog.pg_xact_status($1::pg_catalog.xid8)'
  const bytes = Buffer.concat([parse('', text), bind('', '', [xid]), execute('', 0)])
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
