import { TenancyError } from '@org/core'
import type { RowPlace } from '../isolation/row.ts'
import { checkRowPolicies } from '../lifecycle/levels/row/check.ts'
import { checkEntrance } from '../lifecycle/levels/row/entrance.ts'
import { REPAIR, type RowFinding } from '../lifecycle/levels/row/findings.ts'
import { LEDGER } from '../lifecycle/levels/row/migrations.ts'
import { viewPlaceOf } from '../lifecycle/levels/row/view-place.ts'
import { isChecksumOf } from '../migrations/migrations.ts'
import { qualify } from '../sql/identifier.ts'
import type { Collected } from './collected.ts'
import type { Look } from './read-only.ts'
import { READER_CHECKS, ROW_CHECKS } from './row-checks.ts'
import { type Examination, runChecks } from './run-checks.ts'

/** Level `row`: the shared tables, their policies and all that could go past them. Returns how many tenants there are. */
export async function examineRows(
  look: Look,
  examination: Examination,
  row: RowPlace | undefined,
): Promise<number> {
  if (!row)
    throw new TenancyError('INTERNAL_ERROR', 'At level row the place of the shared tables is missing.')
  const { fleet, application, collected } = examination
  const { registry } = fleet
  const admin = { run: look }
  const views = await viewPlaceOf(admin, fleet.naming, row)
  const own = [
    row.schema,
    registry.controlSchema,
    ...(views ? [views.schema, views.owner, views.readers] : []),
  ]
  const checks = views ? [...ROW_CHECKS, ...READER_CHECKS] : ROW_CHECKS
  await runChecks(look, examination, { scope: 'rows', roles: false }, checks, [own])
  const [count] = await look<{ tenants: number }>(
    `select count(*)::int as tenants from ${qualify(registry.controlSchema, 'tenant')}
     where prefix = $1 and isolation = 'row' and status in ('active', 'suspended')`,
    [registry.prefix],
  )
  const policies = await checkRowPolicies(admin, row, application, views)
  if (!count?.tenants) {
    addRows(collected, inTheWay(policies))
    return 0
  }
  addRows(collected, [...(await checkEntrance(admin, { ...fleet, row }, application)), ...policies])
  await checkLedger(look, examination)
  return count.tenants
}

/** Where there is no registry yet: what is in the way of the first tenant. */
export async function examineRowsAhead(
  look: Look,
  { fleet, application, collected }: Examination,
  row: RowPlace | undefined,
): Promise<void> {
  if (!row) return
  const admin = { run: look }
  const views = await viewPlaceOf(admin, fleet.naming, row)
  addRows(collected, inTheWay(await checkRowPolicies(admin, row, application, views)))
}

/** Before the first tenant: what provisioning puts right by itself is no finding, what it would refuse is. */
const inTheWay = (policies: readonly RowFinding[]) => policies.filter(({ fix }) => fix !== REPAIR)

function addRows(collected: Collected, findings: readonly RowFinding[]): void {
  for (const { code, severity, object, message, fix } of findings) {
    const upper = `ROW_${code.toUpperCase() as Uppercase<typeof code>}` as const
    collected.add({ code: upper, severity, subject: object, message: `${object}: ${message}`, fix })
  }
}

/** The migrations of the shared schema: none that this program does not know, none that was edited. */
async function checkLedger(look: Look, { fleet, collected }: Examination): Promise<void> {
  const ledger = qualify(fleet.registry.controlSchema, LEDGER)
  const [there] = await look<{ ledger: boolean }>('select to_regclass($1) is not null as ledger', [ledger])
  if (!there?.ledger) return
  const rows = await look<{ id: string; checksum: string }>(
    `select id, checksum from ${ledger} where prefix = $1`,
    [fleet.registry.prefix],
  )
  const known = new Map(fleet.migrations.map((migration) => [migration.id, migration]))
  for (const { id, checksum } of rows) {
    const mine = known.get(id)
    if (mine && isChecksumOf(mine, checksum)) continue
    collected.add({
      code: 'LEDGER_MISMATCH',
      severity: 'error',
      subject: id,
      message: `Migration ${id} was applied to the shared schema and ${known.has(id) ? 'edited since' : 'is not one of this program'}.`,
      fix: 'Put the migration back as it was, or deploy the release that has it.',
    })
  }
}
