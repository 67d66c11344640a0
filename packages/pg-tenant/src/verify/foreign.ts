import type { TenantKey } from '@org/core'
import { databaseOf, markerOf, roleOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { TABLES_OF } from './application-sql.ts'
import { codeOfError, mustBeRefused, NOT_HERE, type ProbeDb, REFUSED, type Verdict, worst } from './probe.ts'
import { rowGivenAway, rowTables, visibleRows } from './row.ts'
import { check, type Scene } from './scene.ts'

const STATEMENT_REFUSED = ['STATEMENT_REFUSED', ...REFUSED]

const FOREIGN = ['foreign_read', 'foreign_write', 'foreign_ddl'] as const
const NOBODY_ELSE: Verdict = {
  outcome: 'not checked',
  evidence: 'there is no other tenant: create a second one',
}

/** What one tenant tries on a few others. */
export async function checkForeign(
  scene: Scene,
  db: ProbeDb,
  tenant: TenantKey,
  others: readonly TenantKey[],
): Promise<void> {
  // Whoever has one tenant would else read a list without a fault, of which the half that matters is missing.
  if (others.length === 0) {
    for (const id of FOREIGN) await check(scene, id, tenant, null, async () => NOBODY_ELSE)
    return
  }
  const { naming } = scene.lifecycle
  const { rows } = await db.query(TABLES_OF, [others.map((other) => schemaOf(naming, other))])
  const tableOf = new Map((rows as { schema: string; name: string }[]).map((row) => [row.schema, row.name]))
  const shared = scene.row ? await rowTables(db, scene.row) : []
  for (const other of others) {
    if (scene.row) await checkRows(scene, db, tenant, other, shared)
    else await checkNames(scene, db, tenant, other, tableOf.get(schemaOf(naming, other)))
    await checkRoles(scene, db, tenant, other)
  }
}

async function checkNames(
  scene: Scene,
  db: ProbeDb,
  tenant: TenantKey,
  other: TenantKey,
  known: string | undefined,
): Promise<void> {
  const { level, naming } = scene.lifecycle
  const schema = schemaOf(naming, other)
  const { ownDatabase } = traitsOf(level)
  // Each in its own database may have a schema of that name; whose it is the marker says.
  const sameName = ownDatabase && schema === schemaOf(naming, tenant)
  const table = qualify(schema, (sameName ? undefined : known) ?? markerOf(naming, other))
  const refusals = ownDatabase ? [...REFUSED, ...NOT_HERE] : REFUSED
  const refused = (sql: string) => mustBeRefused(db, sql, [], refusals)
  await check(scene, 'foreign_read', tenant, other, () => refused(`select from ${table} limit 1`))
  // EXPLAIN checks the same privileges and runs nothing, so that not even a trigger of a stranger fires.
  await check(scene, 'foreign_write', tenant, other, async () =>
    worst([
      await refused(`explain insert into ${table} default values`),
      await refused(`explain delete from ${table}`),
    ]),
  )
  await check(scene, 'foreign_ddl', tenant, other, async () =>
    sameName ? worst([]) : await refused(`create table ${qualify(schema, scene.scratch)} ()`),
  )
}

async function checkRoles(scene: Scene, db: ProbeDb, tenant: TenantKey, other: TenantKey): Promise<void> {
  const role = roleOf(scene.lifecycle.naming, other)
  await check(scene, 'role_statement', tenant, other, () =>
    mustBeRefused(db, `set role ${quoteIdentifier(role)}`, [], STATEMENT_REFUSED),
  )
  await check(scene, 'role_in_sql', tenant, other, () =>
    mustBeRefused(db, `select set_config('role', $1, true)`, [role]),
  )
  await check(scene, 'foreign_database', tenant, other, () =>
    mayNotConnect(db, databaseOf(scene.lifecycle.naming, other)),
  )
}

async function mayNotConnect(db: ProbeDb, database: string): Promise<Verdict> {
  try {
    const { rows } = await db.savepoint((inner) =>
      inner.query(`select has_database_privilege($1, 'connect') as may`, [database]),
    )
    const { may } = rows[0] as { may: boolean }
    return { outcome: may ? 'failed' : 'passed', evidence: may ? 'it has CONNECT' : 'no CONNECT' }
  } catch (error) {
    return { outcome: 'not checked', evidence: `no answer: ${codeOfError(error)}` }
  }
}

async function checkRows(
  scene: Scene,
  db: ProbeDb,
  tenant: TenantKey,
  other: TenantKey,
  tables: readonly string[],
): Promise<void> {
  const { row } = scene
  if (!row) return
  await check(scene, 'foreign_read', tenant, other, async () => {
    const verdicts: Verdict[] = []
    for (const table of tables) verdicts.push(await visibleRows(db, row, table, other))
    return worst(verdicts)
  })
  await check(scene, 'foreign_write', tenant, other, async () => {
    const verdicts: Verdict[] = []
    for (const table of tables) verdicts.push(await rowGivenAway(db, row, table, other))
    const tried = verdicts.filter(({ outcome }) => outcome !== 'not checked')
    return worst(tried.length > 0 ? tried : verdicts)
  })
  await check(scene, 'foreign_ddl', tenant, other, async () => worst([]))
}
