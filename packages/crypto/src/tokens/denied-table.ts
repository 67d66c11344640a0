import {
  invalidOption,
  isTenancyError,
  runWithoutTenant,
  type TenantKey,
  type TenantQueryable,
  type TenantStatement,
} from '@org/core'
import { LRUCache } from 'lru-cache'
import { unavailable } from './errors.ts'
import { functionOption, numberOption } from './options.ts'
import { IS_DENIED, READ_DENIED } from './sql.ts'

/** Runs `work` in a transaction of one tenant, as `withTenant` does. */
export type TenantScope = <T>(tenant: TenantKey, work: (db: TenantQueryable) => Promise<T>) => Promise<T>

export type DeniedReader = (tenant: TenantKey, jti: string) => boolean | Promise<boolean>

/** A tenant's denied tokens, as the table had them when a reading began. */
interface Snapshot {
  readonly startedAt: number
  /** `null`: too many to hold */
  readonly denied: ReadonlySet<string> | null
}

interface TenantState {
  snapshot: Snapshot | undefined
  reading: Promise<void> | undefined
}

/** The denied tokens in the tenants' tables. */
export interface DeniedTable {
  /** from a snapshot that is no older than `maxStaleness` */
  readonly look: DeniedReader
  /** from the table itself */
  readonly ask: DeniedReader
}

/**
 * Reads the tables. Whoever asks at moment `t` is answered from a reading that began after `t - maxStaleness`, so a
 * denial committed before that is seen. Readings of one tenant are shared, begin half a bound ahead while the tenant
 * is active, and read all that is still in force: no watermark that a late commit could slip under.
 */
export function deniedTable(options: DenylistOptions): DeniedTable {
  const now = functionOption('monotonicClock', options.monotonicClock, () => performance.now())
  const bound = number('maxStaleness', options.maxStaleness, 1_000, 1, 60_000, 'milliseconds')
  const timeout = number('timeout', options.timeout, 2_000, 10, 60_000, 'milliseconds')
  const maxEntries = number('maxEntries', options.maxEntries, 10_000, 1, 1_000_000, 'tokens')
  const states = new LRUCache<TenantKey, TenantState>({
    max: number('maxTenants', options.maxTenants, 1_000, 1, 100_000, 'tenants'),
  })

  const tenants = statementsOf(options)
  const statement = async (tenant: TenantKey, text: string, values: readonly unknown[]) =>
    (await tenants.query<{ jti: string }>(tenant, text, values)).rows
  const run: typeof statement = (...what) => within(timeout, () => runWithoutTenant(() => statement(...what)))

  const ask: DeniedReader = async (tenant, jti) => (await run(tenant, IS_DENIED, [jti])).length > 0

  const readTable = async (tenant: TenantKey): Promise<Snapshot> => {
    const startedAt = now()
    const rows = await run(tenant, READ_DENIED, [maxEntries + 1])
    return { startedAt, denied: rows.length > maxEntries ? null : new Set(rows.map(({ jti }) => jti)) }
  }
  const read = (tenant: TenantKey, state: TenantState): Promise<void> => {
    state.reading ??= readTable(tenant)
      .then((snapshot) => {
        state.snapshot = snapshot
      })
      .finally(() => {
        state.reading = undefined
      })
    return state.reading
  }
  /** The second reading, if it takes one, begins after the question was put, so it is always new enough. */
  const wait = async (
    tenant: TenantKey,
    jti: string,
    state: TenantState,
    asked: number,
  ): Promise<boolean> => {
    for (;;) {
      await read(tenant, state)
      const { snapshot } = state
      if (snapshot !== undefined && snapshot.startedAt >= asked - bound) return answer(tenant, jti, snapshot)
    }
  }
  const answer = (tenant: TenantKey, jti: string, { denied }: Snapshot): boolean | Promise<boolean> =>
    denied === null ? ask(tenant, jti) : denied.has(jti)

  const look: DeniedReader = (tenant, jti) => {
    let state = states.get(tenant)
    if (state === undefined) {
      state = { snapshot: undefined, reading: undefined }
      states.set(tenant, state)
    }
    const { snapshot } = state
    const asked = now()
    if (snapshot === undefined || asked - snapshot.startedAt > bound) return wait(tenant, jti, state, asked)
    if (asked - snapshot.startedAt > bound / 2) read(tenant, state).catch(() => {}) // tried again when it is needed
    return answer(tenant, jti, snapshot)
  }
  return { look, ask }
}

/** @throws TenancyError SERVICE_UNAVAILABLE, or what the scope says about the tenant */
async function within<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), timeoutMs)
  })
  try {
    return await Promise.race([work(), late])
  } catch (error) {
    if (isTenancyError(error) && error.status < 500) throw error
    throw unavailable(
      'The table denied_jti could not be read, so no token of this tenant is accepted. Check the database, and ' +
        'that the migration DENIED_JTI_MIGRATION was run.',
      isTenancyError(error) ? error : undefined,
    )
  } finally {
    clearTimeout(timer)
  }
}

function number(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
  unit: string,
): number {
  return numberOption(name, value, { fallback, min, max, unit })
}

/** @throws TenancyError INVALID_OPTION */
function statementsOf({ scope, tenants }: DenylistOptions): TenantStatement {
  if (!scope && typeof tenants?.query === 'function') return tenants
  if (tenants === undefined && typeof scope === 'function')
    return { query: (tenant, text, values) => scope(tenant, (db) => db.query(text, values)) }
  throw invalidOption(
    'tenants',
    'a tenancy; or, without it, scope: a function that runs another in a tenant’s scope',
  )
}

export interface DenylistOptions {
  /** How to reach a tenant's table, outside any request's transaction: a `tenancy`. One statement each, in one round trip. */
  readonly tenants?: TenantStatement
  /**
   * The same where a whole scope is wanted, of two round trips or more; one of the two is given:
   * `(tenant, read) => tenancy.withTenant(tenant, read, { readOnly: true })`
   */
  readonly scope?: TenantScope
  /**
   * `snapshot` (default): each tenant's denied tokens are held in memory and read again at most once per
   * `maxStaleness`, only while the tenant is active. `database`: the table is asked on every verification.
   */
  readonly check?: 'snapshot' | 'database'
  /** how long after its commit a revocation may go unnoticed in other processes, in milliseconds (default 1,000) */
  readonly maxStaleness?: number
  /** when the table cannot be read for longer than that: refuse every token (default), or accept what is good else */
  readonly whenUnreadable?: 'refuse' | 'accept'
  /** for one reading of the table, in milliseconds (default 2,000) */
  readonly timeout?: number
  /** tenants held in memory at a time (default 1,000) */
  readonly maxTenants?: number
  /** denied tokens held per tenant (default 10,000); a tenant with more has its table asked each time */
  readonly maxEntries?: number
  /** milliseconds, never going backwards (default `performance.now`) */
  readonly monotonicClock?: () => number
}
