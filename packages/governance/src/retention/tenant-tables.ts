import { integerOption, type Queryable, type TenantQueryable } from '@org/core'
import { invalidOption } from '../input/input.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { TenantScopes } from '../tenants/scopes.ts'

/** A table of every tenant whose rows go after a time. */
export interface TenantTable {
  /** Unqualified; not partitioned. */
  readonly table: string
  /** A `timestamptz` that says when a row came, or, with `keepDays: 0`, when it may go. Have an index on it. */
  readonly column: string
  /** 0 to 36,500. */
  readonly keepDays: number
}

/** The keys of `@org/governance/idempotency`. */
export const IDEMPOTENCY_KEYS: TenantTable = { table: 'idempotency_key', column: 'expires_at', keepDays: 0 }

/** @internal @throws TenancyError INVALID_OPTION */
export function checkTenantTables(tables: unknown): readonly TenantTable[] {
  if (!Array.isArray(tables)) throw invalidOption('tenantTables', 'an array')
  for (const one of tables as readonly TenantTable[]) {
    for (const name of ['table', 'column'] as const) {
      const value: unknown = one?.[name]
      if (
        typeof value !== 'string' ||
        value === '' ||
        value.includes('\0') ||
        Buffer.byteLength(value) > 63
      ) {
        throw invalidOption(`tenantTables.${name}`, 'a name')
      }
    }
    integerOption('tenantTables.keepDays', one.keepDays, 0, 36_500)
  }
  return tables as readonly TenantTable[]
}

/** What was removed of tenants' own tables. */
export interface TenantsRemoved {
  /** Tenants that were looked at. */
  readonly tenants: number
  readonly rows: number
  /** Those whose turn it was and that could not be done (suspended, busy): their turn stays. */
  readonly failed: readonly { readonly tenant: string; readonly code: string }[]
}

/** @internal */
export interface TenantsWork {
  readonly control: Queryable
  readonly scopes: TenantScopes
  readonly schema: string
  readonly tables: readonly TenantTable[]
  readonly held: readonly string[]
  readonly batch: number
  readonly dryRun: boolean
}

const PAGE = 500

interface Due {
  readonly tenant: string
  readonly name: string
}

/** What is due, for the whole fleet: one query, and all there is when nothing is. */
const dueSql = (schedule: string) => `select s.tenant, s.name from ${schedule} s
  where s.next_at <= now() and s.tenant <> all ($1::text[]) and (s.tenant, s.name) > ($2::text, $3::text)
  order by s.tenant, s.name limit ${PAGE}`

/** @internal Each in the tenant's own scope: what runs there has that tenant's rights and no others. */
export async function keepTenants(work: TenantsWork): Promise<TenantsRemoved> {
  const schedule = qualify(work.schema, 'retention_schedule')
  const seen = new Set<string>()
  const failed: { tenant: string; code: string }[] = []
  let [rows, after] = [0, { tenant: '', name: '' } as Due]
  for (;;) {
    const due = await work.control.query<Due>(dueSql(schedule), [work.held, after.tenant, after.name])
    for (const { tenant, name } of due.rows) {
      const table = work.tables.find((one) => one.table === name)
      if (table === undefined) continue
      seen.add(tenant)
      try {
        rows += await keepOne(work, schedule, tenant, table)
      } catch (error) {
        failed.push({ tenant, code: String((error as { code?: unknown } | null)?.code ?? 'INTERNAL_ERROR') })
      }
    }
    const last = due.rows.at(-1)
    if (last === undefined || due.rows.length < PAGE) return { tenants: seen.size, rows, failed }
    after = last
  }
}

async function keepOne(
  work: TenantsWork,
  schedule: string,
  tenant: string,
  table: TenantTable,
): Promise<number> {
  const { scopes, batch, dryRun } = work
  let [total, removed] = [0, 0]
  do {
    removed = await scopes.withTenant(tenant, (db) => remove(db, table, batch, dryRun))
    total += removed
  } while (removed === batch && !dryRun)
  if (dryRun) return total
  const seconds = await scopes.withTenant(tenant, (db) => untilNext(db, table))
  await work.control.query(
    `update ${schedule} set next_at = now() + $3::float8 * interval '1 second' where tenant = $1::text and name = $2::text`,
    [tenant, table.table, seconds],
  )
  return total
}

async function remove(
  db: TenantQueryable,
  { table, column, keepDays }: TenantTable,
  batch: number,
  dryRun: boolean,
): Promise<number> {
  const [name, at] = [quoteIdentifier(table), quoteIdentifier(column)]
  const due = `${at} < now() - $1::integer * interval '1 day'`
  if (dryRun) {
    const { rows } = await db.query<{ count: string }>(
      `select count(*)::text as count from ${name} where ${due}`,
      [keepDays],
    )
    return Number(rows[0]?.count)
  }
  const { rowCount } = await db.query(
    `delete from ${name} where ctid = any (array(
      select ctid from ${name} where ${due} order by ${at} limit $2::integer for update skip locked))`,
    [keepDays, batch],
  )
  return rowCount ?? 0
}

/** Seconds until the oldest row that is left is due; at least a minute, at most a day. */
async function untilNext(db: TenantQueryable, { table, column, keepDays }: TenantTable): Promise<number> {
  const { rows } = await db.query<{ seconds: number | null }>(
    `select extract(epoch from min(${quoteIdentifier(column)}) + $1::integer * interval '1 day' - now())::float8 as seconds
      from ${quoteIdentifier(table)}`,
    [keepDays],
  )
  return Math.min(86_400, Math.max(60, rows[0]?.seconds ?? 86_400))
}
