import { integerField, type Queryable } from '@org/core'
import { aheadSql, otherServer } from '../control/other-server.ts'
import { invalidField } from '../input/input.ts'
import { type AuditRecord, recordOf } from './list.ts'
import { STORED, type StoredEntry } from './row.ts'

/** A batch of the entries of all tenants in the order of their transactions. */
export interface AuditBatch {
  readonly entries: readonly (AuditRecord & { readonly tenant: string })[]
  /** Where the next batch begins; keep it with what you did with this one. */
  readonly position: string
}

/** @internal Before the first entry. */
export const START = '0/00000000-0000-0000-0000-000000000000'

/**
 * Entries behind a position whose transactions, and all before them, are over. One that commits late never comes to stand
 * behind a position that was given out: nothing at or above the oldest running transaction is handed out. Fewer than the limit
 * where they are large.
 *
 * @param which a condition on `l`
 * @internal
 */
export const behindSql = (table: string, which = 'true') => `with due as (
    select l.* from ${table} l
      where (l.xid, l.id) > ($1::xid8, $2::uuid) and l.xid < pg_snapshot_xmin(pg_current_snapshot()) and ${which}
      order by l.xid, l.id limit $3::integer
  )
  select ${STORED} from (
    select d.*, sum(octet_length(concat(d.changes, d.metadata, d.personal)))
      over (order by d.xid, d.id rows between unbounded preceding and 1 preceding) as before from due d
  ) l where coalesce(l.before, 0) < ${MAX_BYTES} order by l.xid, l.id`

/** Of a batch: whoever wrote the largest entries there may be would else fill the memory of whoever reads them. */
const MAX_BYTES = 33_554_432

/** A standby may be behind the server that gave the position out. */
const AHEAD = `select ${aheadSql('$1::xid8')} and not pg_is_in_recovery() as ahead`

const POSITION = /^(\d{1,20})\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** @internal See `AuditLog.follow`. */
export async function followEntries(
  control: Queryable,
  table: string,
  after: string,
  limit: number,
): Promise<AuditBatch> {
  const [, xid, id] = POSITION.exec(after) ?? []
  if (xid === undefined || BigInt(xid) >= 2n ** 64n) throw invalidField('after', 'the position of a batch')
  integerField('limit', limit, 1, 10_000)
  const { rows } = await control.query<StoredEntry>(behindSql(table), [xid, id, limit])
  const last = rows.at(-1)
  if (last === undefined && (await control.query<{ ahead: boolean }>(AHEAD, [xid])).rows[0]?.ahead)
    throw otherServer('The position is', 'begin at the beginning: entries have ids.')
  const entries = rows.map(async (row) => ({ ...(await recordOf(row, undefined)), tenant: row.tenant }))
  return { entries: await Promise.all(entries), position: last ? positionOf(last) : after }
}

/** @internal */
export function positionOf({ xid, id }: Pick<StoredEntry, 'xid' | 'id'>): string {
  return `${xid}/${id}`
}
