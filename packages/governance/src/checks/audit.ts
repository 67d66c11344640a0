import type { CheckFinding, CheckMeasure, CheckPlace } from '@org/core'
import { AUDIT_LOG } from '../audit/tables.ts'
import { type Partition, partitionsOf } from '../partitions/expire.ts'
import { AHEAD_DAYS } from '../retention/check.ts'
import { qualify } from '../sql/identifier.ts'
import { ago, areThere, inEach } from './there.ts'

/** Days of partitions below which there is no time to lose. */
const CRITICAL_DAYS = 7
/** Seconds that an entry may be unsealed: sealing is a minute's job, and waits for the oldest transaction. */
const UNSEALED_SECONDS = 3_600

/** The oldest that is not sealed: one look at an index. What this server has not come to yet was sealed on the one it is of. */
const UNSEALED = (
  schema: string,
) => `select extract(epoch from clock_timestamp() - l.created_at)::float8 as age
  from ${qualify(schema, 'audit_sealer')} p cross join lateral (
    select o.created_at from ${qualify(schema, 'audit_log')} o where (o.xid, o.id) > (p.xid, p.id) and o.sealed_xid is null
      and o.xid < pg_snapshot_xmax(pg_current_snapshot()) order by o.xid, o.id limit 1) l`

const installed = (place: CheckPlace, schema: string) => areThere(place, schema, 'audit_log', 'audit_sealer')

/** Days from now to the end of the last partition; below 0 writes fail already. */
async function daysAhead(place: CheckPlace, all: readonly Partition[]): Promise<number> {
  const last = all.filter(({ attached }) => attached).at(-1)
  const { rows } = await place.query<{ days: number }>(
    `select extract(epoch from $1::timestamptz - clock_timestamp())::float8 / 86400 as days`,
    [last?.until ?? '-infinity'],
  )
  const days = Number(rows[0]?.days)
  return Number.isFinite(days) ? Math.floor(days) : -1
}

/** @internal */
export async function auditFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (!(await installed(place, schema))) return []
  const all = await partitionsOf(place, schema, AUDIT_LOG)
  const [missing] = missingFrom(place, await daysAhead(place, all))
  const detached = all
    .filter(({ attached, pending }) => !attached || pending)
    .map(
      ({ name }): CheckFinding => ({
        code: 'AUDIT_PARTITION_DETACHED',
        severity: 'warning',
        subject: name,
        message: `${name} was taken off and not removed: a run of retention was cut off.`,
        fix: `Run retention.runShared(admin)${inEach(place)}: it finishes that.`,
      }),
    )
  return [...(missing ? [missing] : []), ...detached, ...(await unsealed(place, schema))]
}

/** @internal */
export async function auditMeasures(place: CheckPlace, schema: string): Promise<readonly CheckMeasure[]> {
  if (!(await installed(place, schema))) return []
  const all = await partitionsOf(place, schema, AUDIT_LOG)
  return [...missingFrom(place, await daysAhead(place, all)), ...(await unsealed(place, schema))]
}

function missingFrom(place: CheckPlace, days: number): readonly CheckMeasure[] {
  if (days >= AHEAD_DAYS) return []
  const what =
    days < 0 ? 'has no partition for now: nothing can be recorded' : `has partitions for ${days} days`
  return [
    {
      code: 'AUDIT_PARTITIONS_MISSING',
      severity: days < CRITICAL_DAYS ? 'error' : 'warning',
      subject: AUDIT_LOG.table,
      measured: days,
      threshold: AHEAD_DAYS,
      message: `${AUDIT_LOG.table} ${what}; when they run out, every scope that records something fails.`,
      fix: `Run retention.runShared(admin)${inEach(place)}, and let it come round every day (createJobs).`,
    },
  ]
}

async function unsealed(place: CheckPlace, schema: string): Promise<readonly CheckMeasure[]> {
  const { rows } = await place.query<{ age: number }>(UNSEALED(schema))
  const age = Math.round(rows[0]?.age ?? 0)
  if (age < UNSEALED_SECONDS) return []
  return [
    {
      code: 'AUDIT_UNSEALED',
      severity: 'warning',
      subject: AUDIT_LOG.table,
      measured: age,
      threshold: UNSEALED_SECONDS,
      message: `Entries of ${ago(age)} ago are not sealed: whoever changes the database could remove them unnoticed.`,
      fix: `Run audit.seal(admin)${inEach(place)}, and let it come round every minute (createJobs). A transaction that stays open holds it up.`,
    },
  ]
}
