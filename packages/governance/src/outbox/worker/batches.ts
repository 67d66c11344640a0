import type { TenantKey, TenantQueryable } from '@org/core'
import { isPlain } from '../../idempotency/errors.ts'
import { aside } from '../../tenants/aside.ts'
import type { TenantScopes } from '../../tenants/scopes.ts'
import { company, type Gathering } from './company.ts'
import type { BatchedStatement } from './handler.ts'
import { heldScope, readOnce } from './held.ts'

/** Statements that events of a tenant have in common. */
export interface Batches {
  /**
   * @param hold until when the event surely is ours; its rejection is that of this entry alone
   * @returns what a reading statement said of this entry
   */
  add<R extends object>(
    tenant: TenantKey,
    statement: BatchedStatement,
    entry: unknown,
    hold: () => Promise<number>,
  ): Promise<R | undefined>
}

/** Entries of one tenant and statement, in the order they came. */
interface Line extends Gathering {
  readonly entries: Entry[]
}

interface Entry {
  readonly json: string
  readonly hold: () => Promise<number>
  readonly resolve: (row: object | undefined) => void
  readonly reject: (error: unknown) => void
}

/** In one statement, and their characters. */
const MOST = 50
const LONGEST = 1_048_576
/** How long an entry waits for those of events that are in hand with its own (ms): a transaction costs the database more than they do. */
const GATHER = 10

/**
 * Entries of the same tenant and statement go together: those that come while others are on their way, and those of events that were
 * taken together. So a tenant whose database is slow has one connection. Where a statement fails, its halves are tried, down to the
 * entry it fails for.
 *
 * @param inHand how many events of a tenant there could be entries of
 */
export function batchesOf<Db extends TenantQueryable>(
  tenants: TenantScopes<Db>,
  wrote: (tenant: TenantKey) => void,
  inHand: (tenant: TenantKey) => number,
): Batches {
  const lines = new Map<BatchedStatement, Map<TenantKey, Line>>()

  const run = async (tenant: TenantKey, { text, access }: BatchedStatement, entries: readonly Entry[]) => {
    const values = [`[${entries.map(({ json }) => json).join()}]`]
    if (access === 'read') return (await readOnce<{ n: number }, Db>(tenants, tenant, text, values)).rows
    const hold = async () => Math.min(...(await Promise.all(entries.map((entry) => entry.hold()))))
    await heldScope(tenants, tenant, (db) => aside(db, text, values), hold).finally(() => wrote(tenant))
    return []
  }
  const attempt = async (tenant: TenantKey, statement: BatchedStatement, entries: readonly Entry[]) => {
    try {
      const rows = await run(tenant, statement, entries)
      const found = new Map(rows.map((row) => [row.n, row]))
      for (const [n, { resolve }] of entries.entries()) resolve(found.get(n))
    } catch (error) {
      if (entries.length === 1 || isPlain(error)) for (const { reject } of entries) reject(error)
      else for (const part of halves(entries)) await attempt(tenant, statement, part)
    }
  }
  const complete = (tenant: TenantKey, { entries }: Line) => entries.length >= Math.min(inHand(tenant), MOST)
  const serve = async (tenant: TenantKey, statement: BatchedStatement, line: Line) => {
    while (line.entries.length > 0) {
      if (!complete(tenant, line)) await company(line, GATHER)
      await attempt(tenant, statement, helping(line.entries))
    }
    lines.get(statement)?.delete(tenant)
  }
  return {
    add: <R extends object>(
      tenant: TenantKey,
      statement: BatchedStatement,
      entry: unknown,
      hold: () => Promise<number>,
    ) =>
      new Promise<R | undefined>((resolve, reject) => {
        // What JSON has no word for (undefined) is no text at all.
        const json = JSON.stringify(entry) ?? 'null'
        const one = { json, hold, resolve: resolve as Entry['resolve'], reject }
        const ofStatement = lines.get(statement) ?? new Map<TenantKey, Line>()
        lines.set(statement, ofStatement)
        const line = ofStatement.get(tenant)
        if (line) {
          line.entries.push(one)
          if (complete(tenant, line)) line.hurry?.()
        } else {
          const fresh: Line = { entries: [one], hurry: undefined }
          ofStatement.set(tenant, fresh)
          void serve(tenant, statement, fresh)
        }
      }),
  }
}

function halves<T>(all: readonly T[]): T[][] {
  const half = Math.ceil(all.length / 2)
  return [all.slice(0, half), all.slice(half)]
}

/** From the front of the line. */
function helping(line: Entry[]): Entry[] {
  let [count, length] = [0, 0]
  for (const { json } of line) {
    length += json.length
    if (count > 0 && (count === MOST || length > LONGEST)) break
    count += 1
  }
  return line.splice(0, count)
}
