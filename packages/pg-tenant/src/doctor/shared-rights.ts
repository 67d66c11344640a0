import { REMEDY, readRunningKeys, readSharedRights, wordsOf } from '../lifecycle/falls-through.ts'
import type { Look } from './read-only.ts'
import type { Examination } from './run-checks.ts'

/** What every scope could read or write in shared schemas (hazard ae), or run code by: two queries, whatever the number of tenants. */
export async function checkSharedRights(
  look: Look,
  { application, collected, fleet: { naming, level, registry } }: Examination,
): Promise<void> {
  const admin = { run: look }
  for (const right of await readSharedRights(admin, naming, level, application, registry.controlSchema)) {
    const { object } = right
    const message = `${object} ${wordsOf(right)}.`
    collected.add({ code: 'SHARED_RIGHTS', severity: 'error', subject: object, message, fix: REMEDY })
  }
  for (const key of await readRunningKeys(admin, naming))
    collected.add({ code: 'SHARED_RIGHTS', severity: 'error', ...key })
}
