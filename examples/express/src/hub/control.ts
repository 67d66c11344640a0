import { AsyncLocalStorage } from 'node:async_hooks'
import { type Queryable, type Row, TenancyError } from '@org/core'
import type pg from 'pg'

/** No connection, too many of them, or a server that stops (manual, appendix A): it will pass. */
const UNAVAILABLE = /^(08|53|57P)/

/** The control schemas, as the hub's own role: what is read outside of a transaction, and transactions. */
export interface Control extends Queryable {
  /**
   * One transaction over the control schemas. Inside it, in the same request, another one is the same: what changes, who did it
   * and the answer that is kept are committed together. `hub` is first in its search path.
   */
  transaction<T>(work: (tx: ControlTransaction) => Promise<T>): Promise<T>
}

export interface ControlTransaction extends Queryable {
  /** Runs when it is committed, and only then; waited for, and must not fail. */
  afterCommit(run: () => unknown): void
}

/** `pg_temp` last: nothing that somebody made for themselves is found before what is meant. */
const BEGIN = 'begin; set local search_path to hub, pg_temp'

/**
 * The control pools for routes: their errors are coded, and hold no values as the driver's own do.
 *
 * @param pool for what is read: never held while its holder waits for something else
 * @param transactions a pool of its own: a transaction may wait for what needs the other
 */
export function controlOf(pool: pg.Pool, transactions: pg.Pool): Control {
  const current = new AsyncLocalStorage<ControlTransaction>()
  return {
    query: queryOf(pool),
    transaction: async (work) => {
      const outer = current.getStore()
      if (outer) return await work(outer)
      const committed: (() => unknown)[] = []
      const made = await inTransaction(transactions, (client) => {
        const tx = { query: queryOf(client), afterCommit: (run: () => unknown) => void committed.push(run) }
        return current.run(tx, () => work(tx))
      })
      for (const run of committed) await run()
      return made
    },
  }
}

async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw coded(error)
  })
  let broken: Error | undefined
  const say = (text: string) =>
    client.query(text).catch((error: Error) => {
      broken = error
      throw coded(error)
    })
  try {
    await say(BEGIN)
    const made = await work(client).catch(async (error: unknown) => {
      await say('rollback').catch(() => undefined)
      throw error
    })
    await say('commit')
    return made
  } finally {
    client.release(broken)
  }
}

function queryOf(runner: pg.Pool | pg.PoolClient): Queryable['query'] {
  return <R extends object = Row>(text: string, values: readonly unknown[] = []) =>
    (runner as pg.Pool).query<R & pg.QueryResultRow>(text, [...values]).catch((error: unknown) => {
      throw coded(error)
    })
}

function coded(error: unknown): TenancyError {
  const { code } = (error ?? {}) as { code?: unknown }
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  if (sqlState === undefined || UNAVAILABLE.test(sqlState)) {
    return new TenancyError('SERVICE_UNAVAILABLE', 'The control pool gave no answer. Check its connection.')
  }
  return new TenancyError('DATABASE_ERROR', `PostgreSQL refused a statement (SQLSTATE ${sqlState}).`, {
    details: { sqlState },
  })
}
