import { codedControl, type Queryable } from '@org/core'
import { aheadSql, otherServer } from '../../control/other-server.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { POSITIONS } from '../positions.ts'
import type { Outcome } from './outcome.ts'

/** An event as it was taken. */
export interface Taken {
  readonly lease: string
  readonly token: string
  readonly seq: string
  readonly id: string
  readonly tenant: string
  readonly type: string
  readonly payload: unknown
  readonly key: string | null
  readonly trace: string | null
  readonly attempt: number
  readonly published_at: Date
  /** It was on a lease that ran out: perhaps it is what kills. */
  readonly solo: boolean
  /** When it was taken, by the database's clock: milliseconds since 1970. */
  readonly now: number
}

/** Leases that are still held, and since when they last longer, by the database's clock. */
export interface Renewed {
  readonly ids: ReadonlySet<string>
  readonly now: number
}

/** The outbox as a worker sees it; one statement each, so that any pooler will do. */
export interface Queue {
  take(want: number, leaseMs: number, maxAttempts: number, alone: boolean): Promise<readonly Taken[]>
  settle(lease: string, token: string, done: readonly string[], others: readonly Outcome[]): Promise<boolean>
  renew(leases: readonly { id: string; token: string }[], leaseMs: number): Promise<Renewed>
  held(olderThanMs: number): Promise<readonly string[]>
  resume(tenant: string): Promise<void>
  forget(tenant: string): Promise<void>
  sweep(): Promise<void>
}

/** Of the transaction's beginning: what it grants lasts longer than counted from there. */
const NOW = 'floor(extract(epoch from now()) * 1000)::float8 as now'

/** Whatever the DateStyle of the database is. */
const PUBLISHED = 'floor(extract(epoch from t.published_at) * 1000)::float8 as published'

export function queueOf(pool: Queryable, controlSchema: string): Queue {
  const control = codedControl(pool, 'installOutbox(admin, { workers: [role] })')
  const schema = quoteIdentifier(controlSchema)
  const call = (name: string, values: readonly unknown[]) =>
    control.query(
      `select ${schema}.${name}(${values.map((_, n) => `$${n + 1}`).join(', ')}) as value`,
      values,
    )
  const elsewhere = `select exists (select from (${POSITIONS(schema)}) p where ${aheadSql('p.xid')}) as ahead`
  let looked: Promise<void> | undefined
  /** Before anything is moved on: the first round would pass over all that was published here, for good. */
  const requireHome = () => {
    looked ??= (async () => {
      if ((await control.query<{ ahead: boolean }>(elsewhere)).rows[0]?.ahead)
        throw otherServer('The outbox is')
    })().catch((error: unknown) => {
      looked = undefined
      throw error
    })
    return looked
  }
  return {
    take: async (want, leaseMs, maxAttempts, alone) => {
      await requireHome()
      const text = `select t.*, ${PUBLISHED}, ${NOW} from ${schema}.outbox_take($1, $2, $3, $4) t`
      const values = [want, leaseMs / 1_000, maxAttempts, alone]
      const { rows } = await control.query<Taken & { published: number }>(text, values)
      return rows.map(({ published, ...taken }) => ({ ...taken, published_at: new Date(published) }))
    },
    settle: async (lease, token, done, others) => {
      const values = [lease, token, done, others.length === 0 ? null : JSON.stringify(others)]
      return (await call('outbox_settle', values)).rows[0]?.value === true
    },
    renew: async (leases, leaseMs) => {
      const values = [leases.map(({ id }) => id), leases.map(({ token }) => token), leaseMs / 1_000]
      const text = `select id::text as id, ${NOW} from ${schema}.outbox_renew($1, $2, $3) as id`
      const { rows } = await control.query<{ id: string; now: number }>(text, values)
      return { ids: new Set(rows.map(({ id }) => id)), now: rows[0]?.now ?? 0 }
    },
    held: async (olderThanMs) =>
      (await call('outbox_held', [olderThanMs / 1_000])).rows.map(({ value }) => String(value)),
    resume: async (tenant) => void (await call('outbox_resume', [tenant])),
    forget: async (tenant) => void (await call('outbox_forget', [tenant])),
    sweep: async () => {
      await requireHome()
      await call('outbox_sweep', [])
    },
  }
}
