import type { TenantKey } from '@org/core'
import { databaseOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { qualify } from '../sql/identifier.ts'
import { checkForeign } from './foreign.ts'
import { codeOfError, mustBeRefused, type ProbeDb, undone, type Verdict, worst } from './probe.ts'
import { check, homeOf, ownRoleOf, type Scene } from './scene.ts'

/** One transaction of one tenant, rolled back: everything that is tried from inside its scope. */
export async function checkTenant(
  scene: Scene,
  tenant: TenantKey,
  others: readonly TenantKey[],
): Promise<void> {
  try {
    await undone(scene.enter, tenant, async (db) => {
      await check(scene, 'own_place', tenant, null, () => ownIdentity(scene, db, tenant))
      await check(scene, 'write_read', tenant, null, () => writeAndRead(scene, db, tenant))
      await check(scene, 'foreign_visible', tenant, null, () => foreignVisible(scene, db, tenant))
      await check(scene, 'public_create', tenant, null, () => publicCreate(scene, db, tenant))
      await checkAdministrator(scene, db, tenant)
      await checkForeign(scene, db, tenant, others)
    })
  } catch (error) {
    const evidence = `the scope did not run to its end: ${codeOfError(error)}`
    scene.checks.push({ id: 'own_place', tenant, against: null, outcome: 'failed', evidence })
  }
}

/** A suspended tenant must not be entered at all. */
export async function checkSuspended(scene: Scene, tenant: TenantKey): Promise<void> {
  await check(scene, 'suspended', tenant, null, async () => {
    try {
      await undone(scene.enter, tenant, (db) => db.query('select 1'))
      return { outcome: 'failed', evidence: 'it was let in' }
    } catch (error) {
      const code = codeOfError(error)
      const refused = code === 'SCHEMA_UNUSABLE' || code === 'TENANT_SUSPENDED'
      return { outcome: refused ? 'passed' : 'not checked', evidence: `refused: ${code}` }
    }
  })
}

const IDENTITY = `select current_schema() as schema, current_user as role, session_user as login, current_database() as database,
    r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication as mighty,
    current_setting('app.tenant_id', true) as setting
  from pg_catalog.pg_roles r where r.rolname = current_user`

interface Identity {
  readonly schema: string | null
  readonly role: string
  readonly login: string
  readonly database: string
  readonly mighty: boolean
  readonly setting: string | null
}

async function ownIdentity(scene: Scene, db: ProbeDb, tenant: TenantKey): Promise<Verdict> {
  const { shared, logsIn, ownDatabase } = traitsOf(scene.lifecycle.level)
  const [place] = (await db.query(IDENTITY)).rows as Identity[]
  if (!place) return { outcome: 'failed', evidence: 'its role is not in the catalogue' }
  const role = ownRoleOf(scene, tenant)
  const wrong = [
    place.schema !== homeOf(scene, tenant) && `schema ${place.schema}`,
    place.role !== (role ?? place.login) && `role ${place.role}`,
    logsIn && place.login !== role && `login ${place.login}`,
    ownDatabase &&
      place.database !== databaseOf(scene.lifecycle.naming, tenant) &&
      `database ${place.database}`,
    shared && place.setting !== tenant && 'another app.tenant_id',
    place.mighty && `${place.role} has special rights`,
  ].filter((word) => word !== false)
  if (wrong.length > 0) return { outcome: 'failed', evidence: wrong.join(', ') }
  return { outcome: 'passed', evidence: `schema ${place.schema}, role ${place.role}` }
}

const PLACE_OF = `select n.nspname as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = pg_catalog.to_regclass($1)`

/** Without its schema's name, so that it goes where the path leads. */
async function writeAndRead(scene: Scene, db: ProbeDb, tenant: TenantKey): Promise<Verdict> {
  const table = scene.scratch
  try {
    const rows = await db.savepoint(async (inner) => {
      await inner.query(`create table ${table} (v integer)`)
      await inner.query(`insert into ${table} values (42)`)
      const read = await inner.query(`select v from ${table}`)
      // By itself: where schemas are distributed the row is on another node, whose catalogue has other names.
      const place = await inner.query(PLACE_OF, [table])
      await inner.query(`drop table ${table}`)
      return [{ ...read.rows[0], ...place.rows[0] }] as { v?: number; schema?: string }[]
    })
    const landed = rows[0]?.schema
    const right = rows[0]?.v === 42 && landed === homeOf(scene, tenant)
    return { outcome: right ? 'passed' : 'failed', evidence: `written and read in ${landed ?? 'nowhere'}` }
  } catch (error) {
    return { outcome: 'failed', evidence: `refused: ${codeOfError(error)}` }
  }
}

/** Schemas on the path that are tenants': they hold a marker. */
const VISIBLE = `select s.name::text as name from unnest(current_schemas(false)) s (name)
    join pg_catalog.pg_namespace n on n.nspname = s.name
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = $1
  where s.name <> $2`

async function foreignVisible(scene: Scene, db: ProbeDb, tenant: TenantKey): Promise<Verdict> {
  const { marker } = scene.lifecycle.naming
  const { rows } = await db.query(VISIBLE, [marker, homeOf(scene, tenant)])
  const names = (rows as { name: string }[]).map(({ name }) => name)
  if (names.length > 0) return { outcome: 'failed', evidence: `in the path: ${names.join(', ')}` }
  return { outcome: 'passed', evidence: 'none in the path' }
}

async function publicCreate(scene: Scene, db: ProbeDb, tenant: TenantKey): Promise<Verdict> {
  const { rows } = await db.query('select unnest(current_schemas(false))::text as name')
  const shared = (rows as { name: string }[])
    .map(({ name }) => name)
    .filter(
      (name) => (scene.row !== undefined || name !== homeOf(scene, tenant)) && !name.startsWith('pg_temp'),
    )
  const verdicts: Verdict[] = []
  for (const schema of shared) {
    const { outcome, evidence } = await mustBeRefused(db, `create table ${qualify(schema, scene.scratch)} ()`)
    verdicts.push({ outcome, evidence: `${schema}: ${evidence}` })
  }
  if (verdicts.length === 0) return { outcome: 'passed', evidence: 'no shared schema is in the path' }
  return worst(verdicts)
}

const TAKE_ROLE = `select set_config('role', $1, true)`

/** Whoever owns the tenant's schema can drop it and read everything. */
async function checkAdministrator(scene: Scene, db: ProbeDb, tenant: TenantKey): Promise<void> {
  const { rows } = await db.query(
    `select r.rolname as role from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
     where n.nspname = $1`,
    [homeOf(scene, tenant)],
  )
  const owner = (rows[0] as { role: string } | undefined)?.role ?? null
  await check(scene, 'role_admin', tenant, owner, async () => {
    if (owner === null) return { outcome: 'not checked', evidence: 'the schema is not in the catalogue' }
    return await mustBeRefused(db, TAKE_ROLE, [owner])
  })
}
