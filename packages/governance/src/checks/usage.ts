import type { CheckFinding, CheckPlace } from '@org/core'
import { qualify } from '../sql/identifier.ts'
import { ago, areThere, inEach } from './there.ts'

const BEHIND_SECONDS = 3_600

/** The oldest use that is in no count yet: one look at an index. */
const OLDEST = (schema: string) => `select extract(epoch from clock_timestamp() - d.at)::float8 as age
  from ${qualify(schema, 'usage_cursor')} c cross join lateral (
    select o.at from ${qualify(schema, 'usage_delta')} o where o.xid >= c.upto order by o.xid limit 1) d`

/** @internal */
export async function usageFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (!(await areThere(place, schema, 'usage_cursor', 'usage_delta'))) return []
  const { rows } = await place.query<{ age: number }>(OLDEST(schema))
  const age = rows[0]?.age ?? 0
  if (age < BEHIND_SECONDS) return []
  return [
    {
      code: 'USAGE_BEHIND',
      severity: 'warning',
      subject: 'usage_delta',
      message: `Uses of ${ago(age)} ago are in no count yet: usage is shown too low, and nothing of it is removed.`,
      fix: `Run used.rollUp(admin)${inEach(place)}, and let it come round every minute (createJobs). A transaction that stays open holds it up.`,
    },
  ]
}
