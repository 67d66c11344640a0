import type { Queryable } from '@org/core'
import { UNSEALED } from '../audit/seal.ts'
import { AUDIT_LOG } from '../audit/tables.ts'
import { dropPartition, type Partition, partitionsOf } from '../partitions/expire.ts'
import { makePartitions } from '../partitions/partitions.ts'
import { qualify } from '../sql/identifier.ts'
import type { Archive } from './archive.ts'
import type { RetentionProfile } from './profiles.ts'

/** What is told to the audit log: it must know what retention removed. */
export interface AuditUpkeep {
  removed(admin: Queryable, before: Date, options?: { readonly except?: readonly string[] }): Promise<void>
  thin(admin: Queryable): Promise<void>
}

/** What was removed of one table. */
export interface Removed {
  readonly table: string
  /** Partitions dropped whole. */
  readonly partitions: readonly string[]
  /** Rows deleted one by one; of partitions that were dropped the rows are not counted. */
  readonly rows: number
  /** Why something that is due stays: `hold`, `unsealed`. */
  readonly kept: readonly { readonly partition: string; readonly reason: 'hold' | 'unsealed' }[]
}

/** @internal */
export interface SharedWork {
  readonly admin: Queryable
  /** The same outside a transaction, for DETACH … CONCURRENTLY. */
  readonly outside: Queryable
  readonly schema: string
  readonly profile: RetentionProfile
  readonly held: readonly string[]
  /** Who is under a hold by now. */
  readonly holds: () => Promise<readonly string[]>
  readonly batch: number
  readonly dryRun: boolean
  readonly audit: AuditUpkeep | undefined
  readonly archive: Archive | undefined
}

const DAY_MS = 86_400_000
const ARCHIVE_PAGE = 2_000

/** @internal The server's clock decides what is due. */
export async function serverNow(admin: Queryable): Promise<number> {
  const { rows } = await admin.query<{ ms: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
  )
  return Number(rows[0]?.ms)
}

/** @internal */
export async function isInstalled(admin: Queryable, schema: string, table: string): Promise<boolean> {
  const { rows } = await admin.query<{ there: boolean }>(
    'select pg_catalog.to_regclass($1) is not null as there',
    [qualify(schema, table)],
  )
  return rows[0]?.there === true
}

/** @internal Makes partitions ahead, and removes those whose last day is past keeping. */
export async function keepAudit(work: SharedWork): Promise<Removed> {
  const { admin, schema, profile, dryRun } = work
  if (!dryRun) await admin.query(`${makePartitions(schema, AUDIT_LOG)}`)
  const cutoff = (await serverNow(admin)) - profile.auditDays * DAY_MS
  const all = await partitionsOf(admin, schema, AUDIT_LOG)
  const due = all.filter(({ until }) => Date.parse(until) <= cutoff)
  const result = {
    table: AUDIT_LOG.table,
    partitions: [] as string[],
    rows: 0,
    kept: [] as Removed['kept'][number][],
  }
  for (const partition of due) {
    const reason = await whyKept(work, partition)
    if (reason !== undefined) result.kept.push({ partition: partition.name, reason })
    if (reason === 'unsealed') continue
    if (dryRun) {
      if (reason === undefined) result.partitions.push(partition.name)
      continue
    }
    await archived(work, partition)
    // That may have taken long: who was put under a hold meanwhile has lost nothing, and the next run goes by it.
    const held = await work.holds()
    if (held.join() !== work.held.join()) {
      if (reason === undefined) result.kept.push({ partition: partition.name, reason: 'hold' })
      break
    }
    // Said before it is done: whoever verifies in between finds all of it or less, and no fault in either.
    await work.audit?.removed(admin, new Date(partition.until), { except: work.held })
    if (reason === 'hold') result.rows += await deleteOthers(work, partition)
    else {
      await dropPartition(work.outside, schema, AUDIT_LOG.table, partition)
      result.partitions.push(partition.name)
    }
  }
  if (!dryRun && due.length > 0) await work.audit?.thin(admin)
  return result
}

/** A partition that holds entries of a tenant under a hold stays, and so does one that is not sealed yet. */
async function whyKept(
  { admin, schema, held, audit }: SharedWork,
  { name, attached, pending }: Partition,
): Promise<'hold' | 'unsealed' | undefined> {
  if (!attached) return undefined
  const part = qualify(schema, name)
  // One whose removal was cut off was asked before that, and a later column of the table it may lack.
  if (audit !== undefined && !pending) {
    const sealer = qualify(schema, 'audit_sealer')
    const { rows } = await admin.query(
      `select from ${part} l, ${sealer} p where (l.xid, l.id) > (p.xid, p.id) and ${UNSEALED} limit 1`,
    )
    if (rows.length > 0) return 'unsealed'
  }
  const { rows } = await admin.query(`select from ${part} where tenant = any ($1::text[]) limit 1`, [held])
  return rows.length > 0 ? 'hold' : undefined
}

async function archived(
  { admin, schema, archive, profile, held }: SharedWork,
  partition: Partition,
): Promise<void> {
  if (archive === undefined || profile.auditArchiveMonths === 0) return
  const { name, since, until } = partition
  const lines = linesOf(admin, qualify(schema, name), held)
  const first = await lines.next()
  // Of a partition that stays because of a hold, what others had went the last time.
  if (first.done) return
  await archive({ name, table: AUDIT_LOG.table, since, until }, behind(first.value, lines))
}

async function* behind(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}

/** Every row as JSON, page by page, without those that stay. */
async function* linesOf(admin: Queryable, part: string, held: readonly string[]): AsyncGenerator<string> {
  let after: readonly (string | null)[] = [null, null, null]
  for (;;) {
    const { rows } = await admin.query<{ line: string; tenant: string; at: string; id: string }>(
      `select to_jsonb(l)::text as line, l.tenant, l.created_at::text as at, l.id::text as id from ${part} l
        where ($1::text is null or (l.tenant, l.created_at, l.id) > ($1::text, $2::timestamptz, $3::uuid))
          and l.tenant <> all ($4::text[])
        order by l.tenant, l.created_at, l.id limit ${ARCHIVE_PAGE}`,
      [...after, held],
    )
    for (const { line } of rows) yield line
    const last = rows.at(-1)
    if (last === undefined || rows.length < ARCHIVE_PAGE) return
    after = [last.tenant, last.at, last.id]
  }
}

/** What belongs to tenants without a hold goes, in batches. */
async function deleteOthers(work: SharedWork, { name }: Partition): Promise<number> {
  const part = qualify(work.schema, name)
  return deleteInBatches(work, part, 'tenant <> all ($2::text[])', [work.held])
}

/** @internal Deletes rows for which a condition holds, a batch in each transaction; rows that somebody has locked are left. */
export async function deleteInBatches(
  { admin, batch }: Pick<SharedWork, 'admin' | 'batch'>,
  table: string,
  condition: string,
  values: readonly unknown[],
): Promise<number> {
  const sql = `delete from ${table} where ctid = any (array(
    select ctid from ${table} where ${condition} limit $1::integer for update skip locked))`
  let total = 0
  for (;;) {
    const { rowCount } = await admin.query(sql, [batch, ...values])
    total += rowCount ?? 0
    if ((rowCount ?? 0) < batch) return total
  }
}

/** @internal Single uses that were added up long ago, and counts past keeping. */
export async function keepUsage(work: SharedWork): Promise<readonly Removed[]> {
  const { schema, profile, held } = work
  const [delta, metrics, cursor] = ['usage_delta', 'usage_metrics', 'usage_cursor'].map((name) =>
    qualify(schema, name),
  )
  const tasks = [
    [
      'usage_delta',
      String(delta),
      `at < now() - $3::integer * interval '1 day' and xid < (select c.upto from ${cursor} c) and tenant <> all ($2::text[])`,
      profile.usageDeltaDays,
    ],
    [
      'usage_metrics',
      String(metrics),
      `period_end < now() - $3::integer * interval '1 month' and tenant <> all ($2::text[])`,
      profile.usageMonths,
    ],
  ] as const
  const removed: Removed[] = []
  for (const [table, name, condition, keep] of tasks) {
    const rows = work.dryRun
      ? await count(work.admin, name, condition, [held, keep])
      : await deleteInBatches(work, name, condition, [held, keep])
    removed.push({ table, partitions: [], rows, kept: [] })
  }
  return removed
}

async function count(
  admin: Queryable,
  table: string,
  condition: string,
  values: readonly unknown[],
): Promise<number> {
  const { rows } = await admin.query<{ count: string }>(
    `select count(*)::text as count from ${table} where $1::integer is null and ${condition}`,
    [null, ...values],
  )
  return Number(rows[0]?.count)
}
