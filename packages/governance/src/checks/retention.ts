import type { CheckFinding, CheckPlace } from '@org/core'
import { OVERDUE } from '../retention/check.ts'
import { areThere } from './there.ts'

/** @internal */
export async function retentionFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (place.tenant !== undefined || !(await areThere(place, schema, 'retention_schedule'))) return []
  const { rows } = await place.query<{ count: string; first: string }>(OVERDUE(schema))
  const [found] = rows
  if (found === undefined || found.count === '0') return []
  return [
    {
      code: 'RETENTION_OVERDUE',
      severity: 'warning',
      subject: found.first,
      message: `${found.count} tenants (${found.first} for one) were due more than two days ago: what is past keeping is still there.`,
      fix: 'Run retention.runTenants(control, tenancy); who fails there is suspended, gone (retention.forget) or broken.',
    },
  ]
}
