import { integerOption, invalidOption } from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { RUN_TABLE } from '../lifecycle/run-table.ts'
import { qualify } from '../sql/identifier.ts'
import { checkAdoptions } from './adoptions.ts'
import { applicationOf } from './application.ts'
import { runBroughtChecks } from './brought-checks.ts'
import { Collected } from './collected.ts'
import { examineHomes, examineServer } from './databases.ts'
import { addDrift, driftOf } from './drift.ts'
import type { Diagnosis } from './finding.ts'
import { checkLedgers } from './ledgers.ts'
import { checkMoves } from './moves.ts'
import { checkNodes } from './nodes.ts'
import { readOnly } from './read-only.ts'
import { examineRows, examineRowsAhead } from './rows.ts'
import { type Examination, type Home, runChecks } from './run-checks.ts'
import { checkOwnTables, checkSharedRights } from './shared-rights.ts'

/** Options of {@link diagnose}. */
export interface DiagnoseOptions {
  /** At most so many findings of each code, 1 to 100,000 (default 100). */
  readonly limit?: number
  /**
   * The key of the tenant the others' schemas are compared with (default: the majority of those with the same migrations).
   * Not at level `row`, whose tenants have one schema together.
   */
  readonly reference?: string
  /** Level `database`: tenants' databases that are looked at at once, 1 to 100, a connection each (default 4). */
  readonly connections?: number
}

/**
 * Looks for what is wrong with the tenants or will be: a few queries for the whole fleet, in one transaction that cannot
 * change anything; at level `database` as many again in each tenant's. Connects once as the application, to know its
 * role, and else as the administrator.
 *
 * @throws TenancyError INVALID_OPTION; TENANT_NOT_FOUND when there is no tenant `reference`
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function diagnose(fleet: Lifecycle, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const began = performance.now()
  const { limit, reference, connections } = parse(options)
  const { level, registry, ofLevel } = fleet
  const { shared, ownDatabase } = traitsOf(level)
  const application = await applicationOf(fleet.pool)
  const collected = new Collected(limit)
  const examination: Examination = { fleet, application, collected }
  let homes: readonly Home[] = []
  const tenants = await readOnly(fleet.adminPool, async (look) => {
    const [there] = await look<{ tenant: boolean; run: boolean }>(
      'select to_regclass($1) is not null as tenant, to_regclass($2) is not null as run',
      [qualify(registry.controlSchema, 'tenant'), qualify(registry.controlSchema, RUN_TABLE)],
    )
    if (!there?.tenant) {
      // Ahead of the first tenant: whatever would be in its way.
      if (!ownDatabase) await checkSharedRights(look, examination)
      if (shared) await examineRowsAhead(look, examination, ofLevel?.row)
      return 0
    }
    await checkOwnTables(look, examination)
    await runBroughtChecks(look, fleet, collected)
    await checkAdoptions(look, fleet, collected)
    await checkMoves(look, fleet, collected)
    if (!ownDatabase) await checkSharedRights(look, examination)
    if (shared) return await examineRows(look, examination, ofLevel?.row)
    if (ownDatabase) {
      homes = await examineServer(look, examination)
      return homes.length
    }
    await runChecks(look, examination, { scope: 'schemas', run: there.run, roles: !fleet.distributedSchemas })
    const away = fleet.distributedSchemas ? await checkNodes(look, examination) : undefined
    await checkLedgers(look, fleet, collected, away)
    const drift = await driftOf(look, fleet, { ...(reference !== undefined && { reference }), limit })
    addDrift(drift, collected)
    return drift.tenants
  })
  if (homes.length > 0) await examineHomes(examination, homes, { limit, reference, connections })
  return collected.diagnosis(tenants, Math.round(performance.now() - began))
}

function parse(options: DiagnoseOptions) {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  const { limit = 100, reference, connections = 4 } = options
  integerOption('limit', limit, 1, 100_000)
  integerOption('connections', connections, 1, 100)
  if (reference !== undefined && typeof reference !== 'string')
    throw invalidOption('reference', 'the key of a tenant')
  return { limit, reference, connections }
}
