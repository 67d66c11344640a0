import { randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { Line } from '../doctor/drift.ts'
import { LINES } from '../doctor/drift-sql.ts'
import type { Look } from '../doctor/read-only.ts'
import type { PoolLike } from '../driver/types.ts'
import { rolePrefixAt, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { furnishSchema } from '../lifecycle/levels/in-schema.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { ensureRole } from '../lifecycle/tenant-role.ts'
import { ensureControlSchema } from '../registry/control-schema.ts'
import { register } from '../registry/registry.ts'

/** What a schema is made of, a line for each thing, without owners and privileges. */
export type Shape = readonly string[]

// One schema in the place of the registry's table.
const ONE = `(select $1::text as prefix, $5::text as key, 'active'::text as status, $4::text as isolation, $6::text as schema_name,
  null::text as role_name)`
const SHAPE = LINES(ONE, 'untold')

const OWN = /^\S+ _tenant_/

/** Reads what a schema is made of: from the catalogue alone, and without the tables of this library and other tools. */
export async function shapeOf(
  look: Look,
  { naming, level }: Pick<Lifecycle, 'naming' | 'level'>,
  schema: string,
): Promise<Shape> {
  const values = [naming.schemaPrefix, rolePrefixAt(naming, level), null, level, '', schema]
  const rows = await look<Line>(SHAPE, values)
  return rows.map(({ line }) => line).filter((line) => !OWN.test(line))
}

const known = new WeakMap<Lifecycle, Map<string | null, Promise<Shape>>>()

/**
 * What the migrations up to the baseline make. They are applied to a tenant that nobody ever sees: in a transaction that is
 * rolled back. Once for all tenants of the same baseline.
 *
 * @throws TenancyError what provisioning a tenant with them throws
 */
export function referenceOf(
  lifecycle: Lifecycle,
  home: PoolLike,
  baseline: string | null,
  application: string,
): Promise<Shape> {
  const shapes = known.get(lifecycle) ?? new Map<string | null, Promise<Shape>>()
  known.set(lifecycle, shapes)
  const made = shapes.get(baseline) ?? make(lifecycle, home, baseline, application)
  shapes.set(baseline, made)
  made.catch(() => shapes.delete(baseline))
  return made
}

async function make(
  lifecycle: Lifecycle,
  home: PoolLike,
  baseline: string | null,
  application: string,
): Promise<Shape> {
  const { adminPool, naming, registry } = lifecycle
  const tenant = `_adopt_${randomBytes(6).toString('hex')}` as TenantKey
  const upTo = { ...lifecycle, migrations: migrationsUpTo(lifecycle, baseline) }
  const status = 'provisioning' as const
  return await rolledBack(adminPool, async (admin) => {
    await ensureControlSchema(admin, registry.controlSchema, application)
    const names = { schema: null, role: null, database: null }
    await register(admin, registry, tenant, lifecycle.level, { reuse: false, names })
    const work = { lifecycle: upTo, tenant, admin, session: undefined, application, status }
    const fill = async (here: Admin) => {
      await fillReference(work, here)
      return await shapeOf(lookingAs(here), lifecycle, schemaOf(naming, tenant))
    }
    return home === adminPool ? await fill(admin) : await rolledBack(home, fill)
  })
}

/** As the level furnishes a tenant, with a role that cannot log in: nobody is to. */
async function fillReference(work: TenantWork, here: Admin): Promise<void> {
  const { lifecycle, tenant, application } = work
  const { separateOwner } = traitsOf(lifecycle.level)
  const owner = lifecycle.ofLevel.ownerOf(lifecycle, tenant)
  if (owner !== undefined) await ensureRole(here, owner, { login: false, application: undefined })
  await furnishSchema(work, here, separateOwner || owner === undefined ? application : owner, owner)
}

async function rolledBack<T>(pool: PoolLike, fn: (admin: Admin) => Promise<T>): Promise<T> {
  const made: T[] = []
  await inAdminTransaction(pool, async (admin) => {
    made.push(await fn(admin))
    throw new Error('rolled back')
  }).catch((error: unknown) => {
    if (made.length === 0) throw error
  })
  return made[0] as T
}

/** Looks in the administrator's transaction. */
export function lookingAs(admin: Pick<Admin, 'run'>): Look {
  return async (sql, values) => (await admin.run(sql, values)) as never[]
}

export function migrationsUpTo({ migrations }: Pick<Lifecycle, 'migrations'>, baseline: string | null) {
  return migrations.slice(0, migrations.findIndex(({ id }) => id === baseline) + 1)
}
