import type { TenantKey } from '@org/core'
import { connectTo } from '../driver/checkout.ts'
import type { PoolClientLike } from '../driver/types.ts'
import { databaseOf, markerOf, roleOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { readSharedRights, wordsOf } from '../lifecycle/falls-through.ts'
import { qualify } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { GRANTS_ON_DATABASES, grantsOnSchemas, RIGHTS, TABLES_OF } from './application-sql.ts'
import { codeOfError, NOT_HERE, REFUSED, type Verdict, verdictOf } from './probe.ts'
import { rowTables, visibleRows } from './row.ts'
import { check, homeOf, type Scene } from './scene.ts'

/** What is checked on the application's bare connection: no scope, no tenant. */
export async function checkApplication(scene: Scene, tenants: readonly TenantKey[]): Promise<void> {
  const { pool, level, naming, registry } = scene.lifecycle
  const client = await connectTo(pool)
  try {
    await client.query(`begin read only; set local search_path to ${OWN_PATH}`)
    await check(scene, 'application_rights', null, null, () => rights(client))
    const { ownRole, logsIn, ownDatabase } = traitsOf(level)
    const whole = ownDatabase ? GRANTS_ON_DATABASES : grantsOnSchemas(registry)
    const values = ownDatabase
      ? [tenants.map((key) => databaseOf(naming, key)), tenants.map((key) => roleOf(naming, key))]
      : [naming.schemaPrefix, naming.rolePrefix, ownRole && !logsIn]
    await check(scene, 'grants', null, null, () => grants(client, whole, values))
    await check(scene, 'shared_rights', null, null, () => sharedRights(client, scene))
    await checkBareReads(scene, client, tenants)
    await client.query('rollback')
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}

async function rights(client: PoolClientLike): Promise<Verdict> {
  const [row] = (await client.query(RIGHTS)).rows as { role: string; rights: string[] }[]
  if (!row) return { outcome: 'not checked', evidence: 'the role is not in the catalogue' }
  if (row.rights.length === 0) return { outcome: 'passed', evidence: `${row.role} has none` }
  return { outcome: 'failed', evidence: `${row.role} is ${row.rights.join(', ')}` }
}

async function grants(client: PoolClientLike, sql: string, values: unknown[]): Promise<Verdict> {
  const found = (await client.query(sql, values)).rows as { grantee: string; what: string; object: string }[]
  const [first] = found
  if (!first) return { outcome: 'passed', evidence: 'none in the whole catalogue' }
  const shown = found.slice(0, 5).map(({ grantee, what, object }) => `${grantee} has ${what} on ${object}`)
  return {
    outcome: 'failed',
    evidence: shown.join('; ') + (found.length > 5 ? `; and ${found.length - 5} more` : ''),
  }
}

async function sharedRights(client: PoolClientLike, { lifecycle }: Scene): Promise<Verdict> {
  const { naming, level, registry } = lifecycle
  const run = async <R extends object>(sql: string, values: readonly unknown[] = []) =>
    (await client.query(sql, [...values])).rows as R[]
  const [me] = await run<{ role: string }>('select session_user as role')
  const found = await readSharedRights({ run }, naming, level, String(me?.role), registry.controlSchema)
  const [first] = found
  if (!first) return { outcome: 'passed', evidence: 'none in the shared schemas' }
  const shown = found.slice(0, 5).map((right) => `${right.object} ${wordsOf(right)}`)
  return {
    outcome: 'failed',
    evidence: shown.join('; ') + (found.length > 5 ? `; and ${found.length - 5} more` : ''),
  }
}

async function checkBareReads(
  scene: Scene,
  client: PoolClientLike,
  tenants: readonly TenantKey[],
): Promise<void> {
  if (scene.row) {
    const { row } = scene
    for (const table of await rowTables(client, row)) {
      await check(scene, 'bare_connection', null, table, () =>
        attempt(client, () => visibleRows(client, row, table, undefined)),
      )
    }
    return
  }
  const homes = new Map(tenants.map((tenant) => [homeOf(scene, tenant), tenant]))
  const { rows } = await client.query(TABLES_OF, [[...homes.keys()]])
  const tableOf = new Map((rows as { schema: string; name: string }[]).map((row) => [row.schema, row.name]))
  const elsewhere = traitsOf(scene.lifecycle.level).ownDatabase
  for (const [schema, tenant] of homes) {
    const table = tableOf.get(schema) ?? markerOf(scene.lifecycle.naming, tenant)
    await check(scene, 'bare_connection', tenant, `${schema}.${table}`, () =>
      attempt(
        client,
        async () => {
          await client.query(`select from ${qualify(schema, table)} limit 1`)
          return { outcome: 'failed', evidence: 'it was let through' }
        },
        elsewhere ? [...REFUSED, ...NOT_HERE] : REFUSED,
      ),
    )
  }
}

async function attempt(
  client: PoolClientLike,
  run: () => Promise<Verdict>,
  refusals: readonly string[] = REFUSED,
): Promise<Verdict> {
  await client.query('savepoint attempt')
  try {
    return await run()
  } catch (error) {
    return verdictOf(codeOfError(error), refusals)
  } finally {
    await client.query('rollback to savepoint attempt')
  }
}
