import type { CheckFinding, CheckPlace } from '@org/core'
import { qualify } from '../sql/identifier.ts'
import { ago, areThere } from './there.ts'

/** A turn that is this late has nobody who takes it. */
const OVERDUE_SECONDS = 3_600

const JOBS = (schema: string) => `select j.name, j.code,
    extract(epoch from clock_timestamp() - j.next_at)::float8 as late,
    extract(epoch from clock_timestamp() - j.succeeded_at)::float8 as since
  from ${qualify(schema, 'job')} j where j.token is null or j.leased_until < clock_timestamp() order by j.name`

/** @internal */
export async function jobFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (place.tenant !== undefined || !(await areThere(place, schema, 'job'))) return []
  const { rows } = await place.query<{
    name: string
    code: string | null
    late: number
    since: number | null
  }>(JOBS(schema))
  return rows.flatMap(({ name, code, late, since }): CheckFinding[] => {
    const last = since === null ? 'has never succeeded' : `succeeded last ${ago(since)} ago`
    const about = { severity: 'warning', subject: name } as const
    if (late > OVERDUE_SECONDS) {
      const message = `The turn of job ${name} was ${ago(late)} ago, and nobody took it; it ${last}.`
      const fix =
        'Run a worker with it (createWorker({ jobs })), or jobs.runDue() from cron; one that is no more: delete it from the table job.'
      return [{ ...about, code: 'JOB_OVERDUE', message, fix }]
    }
    if (code === null) return []
    const message = `Job ${name} failed (${code}) and ${last}.`
    return [
      {
        ...about,
        code: 'JOB_FAILING',
        message,
        fix: 'Mend what its code says; it is tried again every minute.',
      },
    ]
  })
}
