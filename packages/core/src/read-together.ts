import { AsyncLocalStorage } from 'node:async_hooks'
import { tryCurrentTenant } from './context.ts'
import type { QueryRows, Row } from './queryable.ts'
import { isTenancyError } from './tenancy-error.ts'
import type { TenantKey } from './tenant-key.ts'

/** Runs one statement in a scope of its own, or in one with others of the same moment. Made by {@link readTogether}. */
export interface TenantReads {
  /** Columns come as JSON has them: a `timestamptz` or `bigint` the statement writes as text. */
  query<R extends object = Row>(
    tenant: TenantKey,
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: R[]; rowCount: number | null }>
}

/** Runs one statement in a scope of its own: the `tenancy` of `@org/pg-tenant`. */
export interface TenantStatement {
  query<R extends object = Row>(
    tenant: TenantKey,
    text: string,
    values?: readonly unknown[],
    options?: { readonly readOnly?: boolean },
  ): Promise<QueryRows<R>>
}

// Not of whoever asks first, nor of whoever made this: what is under way there is nothing that others may join.
const outside = AsyncLocalStorage.snapshot()

interface Asked {
  readonly text: string
  readonly values: readonly unknown[]
  readonly answer: PromiseWithResolvers<{ rows: never[]; rowCount: number | null }>
}

/**
 * For what libraries look up beside a request (a denylist, an epoch of permissions): what is asked of one tenant within one turn of
 * the event loop, outside of every tenant, is one statement in one scope, as a scope costs more than most look-ups do. Each
 * text is one SELECT of the program's own, with parameters from `$1`; what is put into text otherwise than as a parameter is not for this.
 *
 * @throws TenancyError as `tenancy.query`
 * @example
 * ```ts
 * import { parseTenantKey, readTogether } from '@org/core'
 *
 * const reads = readTogether(tenancy)
 * // createDenylist({ tenants: reads }), createRbacStore({ tenants: reads, … })
 * const { rows } = await reads.query(parseTenantKey('acme'), 'select 1 as one')
 * rows // → [{ one: 1 }]
 * ```
 */
export function readTogether(tenancy: TenantStatement): TenantReads {
  const turns = new Map<TenantKey, Asked[]>()
  const alone = ({ text, values }: Asked, tenant: TenantKey) =>
    tenancy.query<never>(tenant, text, values, { readOnly: true })
  const send = async (tenant: TenantKey, asked: readonly Asked[]): Promise<void> => {
    const rows = asked.length > 1 ? await allOf(tenancy, tenant, asked) : undefined
    for (const [n, one] of asked.entries()) {
      const mine = rows?.[n]
      if (mine) one.answer.resolve({ rows: mine, rowCount: mine.length })
      else alone(one, tenant).then(one.answer.resolve, one.answer.reject)
    }
  }
  return {
    query: <R extends object>(tenant: TenantKey, text: string, values: readonly unknown[] = []) => {
      // guard: inside of a tenant it may be one of a transaction's statements, or to be refused: nobody else is to be answered by it
      if (tryCurrentTenant() !== undefined) return tenancy.query<R>(tenant, text, values)
      if (ODDLY_QUOTED.test(text)) return tenancy.query<R>(tenant, text, values, { readOnly: true })
      const answer = Promise.withResolvers<{ rows: never[]; rowCount: number | null }>()
      const asked = { text, values, answer }
      const turn = turns.get(tenant)
      if (turn) turn.push(asked)
      else {
        const first = [asked]
        turns.set(tenant, first)
        setImmediate(outside, () => {
          turns.delete(tenant)
          send(tenant, first).catch((error: unknown) => {
            for (const { answer } of first) answer.reject(error)
          })
        })
      }
      return answer.promise
    },
  }
}

/** What is quoted, a comment or a name (they may have dollars) holds no parameters… */
const PARAMETERS = /(?<![\w$\u0080-\uffff])\$(\d+)|'[^']*'|"[^"]*"|--[^\n\r]*/g
/** …where nothing is quoted by dollars or backslashes, and there is no comment of several lines. */
const ODDLY_QUOTED = /\$\w*\$|\\|\/\*/

/** The rows of each, or `undefined` where a statement failed: run alone, each gets its own answer. */
async function allOf(
  tenancy: TenantStatement,
  tenant: TenantKey,
  asked: readonly Asked[],
): Promise<readonly never[][] | undefined> {
  const values: unknown[] = []
  const parts = asked.map((one, n) => {
    const before = values.length
    values.push(...one.values)
    const text = one.text.replaceAll(PARAMETERS, (found, at?: string) =>
      at === undefined ? found : `$${Number(at) + before}`,
    )
    return `(select coalesce(json_agg(r), '[]')::text from (${text}\n) r) as a${n}`
  })
  try {
    // In the usual mode, whose opening is kept: what stands inside of a SELECT writes nothing.
    const { rows } = await tenancy.query<Record<string, string>>(tenant, `select ${parts.join(', ')}`, values)
    return asked.map((_, n) => JSON.parse(rows[0]?.[`a${n}`] ?? '') as never[])
  } catch (error) {
    // No scope opened: it opens for none of them. Anything else may be the fault of one.
    if (isTenancyError(error) && [401, 403, 503].includes(error.status)) throw error
    return undefined
  }
}
