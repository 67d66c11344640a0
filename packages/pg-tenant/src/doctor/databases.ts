import { isTenancyError, SQLSTATE, type TenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { schemaOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { tenantsWithNames } from '../registry/record.ts'
import { qualify } from '../sql/identifier.ts'
import { inParallel } from '../verify/in-parallel.ts'
import { runBroughtChecks } from './brought-checks.ts'
import { DATABASE_CHECKS } from './database-checks.ts'
import { addDrift, compare, type Line, type Print } from './drift.ts'
import { FINGERPRINTS, LINES } from './drift-sql.ts'
import { centralLedgers, mismatch, ownLedger } from './ledgers.ts'
import { type Look, readOnly } from './read-only.ts'
import { type Examination, type Home, runChecks, runHomeChecks } from './run-checks.ts'

interface HomeOptions {
  readonly limit: number
  readonly reference: string | undefined
  /** Databases looked at at once, a connection each. */
  readonly connections: number
}

// $1 schema prefix, $2 role prefix, $3 level.
const HOMES = (tenant: string) => `select t.key, t.status, d.datname as database
  from ${tenantsWithNames(tenant)} join pg_database d on d.datname = coalesce(t.database_name, $2 || t.key)
  where t.prefix = $1 and t.isolation = $3 and t.status in ('active', 'suspended')
  order by t.key collate "C"`

/** Level `database`: what can be seen from the registry's database. Returns the tenants' own, to be looked at next. */
export async function examineServer(
  look: Look,
  examination: Examination,
): Promise<readonly (Home & { readonly ledger: string | undefined })[]> {
  const { naming, registry, level } = examination.fleet
  await runChecks(look, examination, { scope: 'databases' }, DATABASE_CHECKS)
  const ledgers = new Map(
    (await centralLedgers(look, examination.fleet)).map(({ key, ledger }) => [key, ledger]),
  )
  const homes = await look<Home>(HOMES(qualify(registry.controlSchema, 'tenant')), [
    naming.schemaPrefix,
    naming.rolePrefix,
    level,
  ])
  return homes.map((home) => ({ ...home, ledger: ledgers.get(home.key) }))
}

/** Looks into the tenants' databases, a few at a time, each in a read-only transaction of its own. */
export async function examineHomes(
  examination: Examination,
  homes: readonly (Home & { readonly ledger?: string | undefined })[],
  { limit, reference, connections }: HomeOptions,
): Promise<void> {
  const { fleet, collected } = examination
  const prints: Print[] = []
  await inParallel(homes, connections, async (home) => {
    const print = await inside(examination, home, async (look) => {
      await runHomeChecks(look, examination, home)
      await runBroughtChecks(look, fleet, collected, home)
      const schema = schemaOf(fleet.naming, home.key as TenantKey)
      const [there] = await look<{ ledger: boolean }>('select to_regclass($1) is not null as ledger', [
        qualify(schema, LEDGER_TABLE),
      ])
      if (!there?.ledger) return undefined
      if ((await ownLedger(look, schema)) !== home.ledger) collected.add(mismatch(home.key))
      const ledger = `(select $1::text as prefix, $5::text as key, id from ${qualify(schema, LEDGER_TABLE)})`
      return (await look<Print>(FINGERPRINTS(TENANT, ledger), valuesOf(examination, home)))[0]
    })
    if (print) prints.push(print)
  })
  // In whatever order they were done, the report is the same.
  prints.sort((a, b) => (a.key < b.key ? -1 : 1))
  const byKey = new Map(homes.map((home) => [home.key, home]))
  const drift = await compare(prints, { reference, limit }, async (keys) => {
    const lines: Line[] = []
    await inParallel(keys, connections, async (key) => {
      const home = byKey.get(key)
      if (!home) return
      const own = await inside(examination, home, (look) =>
        look<Line>(LINES(TENANT), valuesOf(examination, home)),
      )
      for (const line of own ?? []) lines.push(line)
    })
    return lines
  })
  addDrift(drift, collected)
}

/** One tenant in the place of the registry's table, which is in another database. */
const TENANT = `(select $1::text as prefix, $5::text as key, 'active'::text as status, $4::text as isolation, $6::text as schema_name,
  $7::text as role_name)`

function valuesOf({ fleet: { naming, level } }: Examination, { key }: Home): unknown[] {
  const names = naming.names.of(key as TenantKey)
  return [
    naming.schemaPrefix,
    naming.rolePrefix,
    null,
    level,
    key,
    names?.schema ?? null,
    names?.role ?? null,
  ]
}

/** A database that cannot be looked at is a finding; the others are looked at all the same. */
async function inside<T>(
  { fleet, collected }: Examination,
  { key, database }: Home,
  fn: (look: Look) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await withAdminPool(fleet.adminPool, database, (pool) => readOnly(pool, fn))
  } catch (error) {
    if (!isTenancyError(error) || !isInTheWay(error)) throw error
    const state = error.details?.sqlState ?? error.details?.reason
    collected.add({
      code: 'DATABASE_UNREACHABLE',
      severity: 'error',
      subject: key,
      message: `Database ${database} could not be looked at: ${error.code}${state === undefined ? '' : ` (${state})`}.`,
      fix: 'See that the administrator may connect to it (ALTER DATABASE … ALLOW_CONNECTIONS true, GRANT CONNECT) and owns it, then run doctor again.',
    })
    return undefined
  }
}

/** It cannot be connected to or read; any other error is one of this program. */
function isInTheWay({ code, details }: TenancyError): boolean {
  return code !== 'DATABASE_ERROR' || details?.sqlState === SQLSTATE.INSUFFICIENT_PRIVILEGE
}
