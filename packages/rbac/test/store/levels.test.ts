// @module-tag sampled
import { randomBytes } from 'node:crypto'
import { keyRing } from '@org/crypto'
import type { Tenancy } from '@org/pg-tenant'
import { createTenancy } from '@org/pg-tenant'
import { useTestTenancy } from '@org/pg-testing/vitest'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  createRbacStore,
  installRbac,
  RBAC_API_KEY_MIGRATION,
  RBAC_MIGRATION,
  RBAC_ROW_MIGRATION,
} from '../../src/store/index.ts'
import { catalog } from '../support/product.ts'
import { codeOf } from '../support/world.ts'
import { API_KEY } from './migrations.ts'
import { acme, globex } from './rbac-world.ts'

interface Named {
  readonly table: string
  readonly name: string
  readonly columns: string[]
}

const TABLES = `('user', 'group', 'user_group', 'group_permission', 'rbac_epoch', 'tool', 'tool_action', 'package',
  'package_action', 'plan', 'tenant_entitlement', 'tenant_package', 'tenant_tool_override', 'tenant_resource')`

const FOREIGN_KEYS = `select c.relname as table, k.conname as name, (select array_agg(a.attname::text order by i.n)
      from unnest(k.conkey) with ordinality i(num, n)
      join pg_attribute a on a.attrelid = k.conrelid and a.attnum = i.num) as columns,
    exists (select from pg_index x where x.indrelid = k.conrelid
      and (x.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) as indexed
  from pg_constraint k join pg_class c on c.oid = k.conrelid where k.contype = 'f' and c.relname in ${TABLES}`

const INDEXES = `select c.relname as table, i.relname as name, array(
      select regexp_replace(pg_get_indexdef(x.indexrelid, n, true), '^lower[(]([a-z]+)[)]$', '\\1')
      from generate_series(1, x.indnkeyatts) n order by n) as columns
  from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
  where c.relname in ${TABLES} and not exists (select from pg_constraint k where k.conindid = x.indexrelid)`

/** A table of keys that tenants share. */
const SHARED_API_KEY = {
  id: API_KEY.id,
  sql: API_KEY.sql.replace(
    'id uuid primary key default gen_random_uuid(),',
    `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),
     id uuid not null default gen_random_uuid(), primary key (tenant_id, id),`,
  ),
}

/** `row`, where the tables are others; the turn of the others is in the slow set, and `role` in the neighbouring files. */
const LEVELS = process.env.TEST_SLOW ? (['role', 'schema', 'login', 'database'] as const) : (['row'] as const)

describe.each(LEVELS)('level %s', (isolation) => {
  const world = useTestTenancy(createTenancy, { createdb: true })
  const credentials = keyRing({ key: randomBytes(32).toString('hex') })
  /** A superuser's query in the tenant's own database. */
  const inDatabaseOf = async <T extends Named>(tenant: string, sql: string): Promise<T[]> => {
    const client = new pg.Client(
      Object.assign(new URL(world.url), { pathname: world.rolePrefix + tenant }).href,
    )
    await client.connect()
    return (await client.query<T>(sql).finally(() => client.end())).rows
  }
  const time = { ms: 0 }
  let tenancy: Tenancy
  beforeAll(async () => {
    const tables = isolation === 'row' ? [RBAC_ROW_MIGRATION, SHARED_API_KEY] : [RBAC_MIGRATION, API_KEY]
    const migrations = [...tables, RBAC_API_KEY_MIGRATION]
    const own = isolation === 'login' || isolation === 'database' ? { credentials } : {}
    tenancy = world.tenancy({ isolation, migrations, ...own })
    for (const tenant of [acme, globex]) await tenancy.provision(tenant)
    await installRbac(world.admin, { managers: [world.appRole] })
    await store().syncCatalog()
  })
  const store = () =>
    createRbacStore({ catalog, control: world.pool(), tenants: tenancy, apiKeys: true, now: () => time.ms })
  /** In the control schema's database and in a tenant's, where they are two. */
  const named = async <T extends Named>(sql: string): Promise<T[]> => {
    const { rows } = await world.root.query<T>(sql)
    return isolation === 'database' ? [...rows, ...(await inDatabaseOf<T>(acme, sql))] : rows
  }

  it('names foreign keys and indexes as agreed, with an index behind every foreign key', async () => {
    const keys = await named<Named & { readonly indexed: boolean }>(FOREIGN_KEYS)
    expect(keys.length).toBeGreaterThan(12)
    for (const { table, name, columns, indexed } of keys) {
      const own = columns.filter((column) => column !== 'tenant_id')
      expect([name, indexed]).toEqual([`fk_${table}_${own.join('_')}`, true])
    }
    const indexes = await named(INDEXES)
    expect(indexes.length).toBeGreaterThan(5)
    for (const { table, name, columns } of indexes) expect(name).toBe(`idx_${table}_${columns.join('_')}`)
  })

  it('seeds, decides, revokes in time, keeps its administrator and its tenants apart', async () => {
    const [here, there] = [store(), store()]
    const admin = { email: 'a@example.com', name: 'A' }
    const seed = (tenant: string) =>
      tenancy.withTenant(tenant, (db) => here.seed(db, { admin, package: 'pro' }))
    const [mine, theirs] = [await seed('acme'), await seed('globex')]
    const who = { tenant: acme, actor: { type: 'user', id: String(mine.adminId) } as const }
    const can = async (which = here) => (await which.evaluatorFor(who)).can('notes.share.manage')
    expect([await can(), await can(there)]).toEqual([true, true])
    const stranger = await here.evaluatorFor({
      tenant: acme,
      actor: { type: 'user', id: String(theirs.adminId) },
    })
    expect(stranger.list()).toEqual([])
    const suspend = (allowNoAdministrator: boolean) =>
      tenancy.withTenant('acme', (db) =>
        here.users.setStatus(db, String(mine.adminId), 'suspended', { allowNoAdministrator }),
      )
    expect(await codeOf(suspend(false))).toBe('CONFLICT')
    expect(await can()).toBe(true)
    await suspend(true)
    expect(await can()).toBe(false)
    time.ms += 1_000
    expect(await can(there)).toBe(false)
    const other = { tenant: globex, actor: { type: 'user', id: String(theirs.adminId) } as const }
    expect((await there.evaluatorFor(other)).can('notes.share.manage')).toBe(true)
  })

  it('an API key may what it is scoped to, in its own tenant, until it is revoked', async () => {
    const [here, there] = [store(), store()]
    for (const tenant of [acme, globex]) await here.assignPackage(tenant, 'basic')
    const { rows } = await tenancy.query<{ id: string }>(
      acme,
      `insert into api_key (name, actions) values ('ci', '{notes.item.read,billing.invoice.pay}') returning id`,
    )
    const actor = { type: 'service', id: String(rows[0]?.id) } as const
    const can = async (which = here, tenant = acme) =>
      (await which.evaluatorFor({ tenant, actor })).list().map(({ action }) => action)
    expect([await can(), await can(there), await can(here, globex)]).toEqual([
      ['notes.item.read'],
      ['notes.item.read'],
      [],
    ])
    const wide = await tenancy.withTenant('acme', (db) => here.wideGrants(db))
    expect(wide.filter(({ holder }) => holder === 'key')).toEqual([
      { holder: 'key', name: 'ci', action: 'billing.invoice.pay', reason: 'not_entitled' },
    ])
    await tenancy.withTenant('acme', (db) =>
      here.changing(db, () => db.query(`update api_key set status = 'revoked' where name = 'ci'`)),
    )
    expect(await can()).toEqual([])
    time.ms += 1_000
    expect(await can(there)).toEqual([])
  })

  it('stands in the way neither of a tenant that leaves nor of one that comes back', async () => {
    expect(await tenancy.drop('globex')).toBe(true)
    await tenancy.provision('globex', { reuseDeletedKey: true })
    const { rows } = await tenancy.query('globex', 'select from "user"')
    expect(rows).toEqual([])
  })
})
