import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../../pg-tenant/src/index.ts'
import { codeOf, useWorld } from '../../../pg-tenant/test/support/world.ts'
import { createRbacStore, installRbac, RBAC_MIGRATION, RBAC_ROW_MIGRATION } from '../../src/store/index.ts'
import { catalog } from '../support/product.ts'
import { acme, globex } from './rbac-world.ts'

describe.each(['role', 'schema', 'row'] as const)('level %s', (isolation) => {
  const world = useWorld([])
  const time = { ms: 0 }
  let tenancy: Tenancy
  beforeAll(async () => {
    const migrations = [isolation === 'row' ? RBAC_ROW_MIGRATION : RBAC_MIGRATION]
    tenancy = world.tenancy({ isolation, migrations })
    for (const tenant of [acme, globex]) await tenancy.provision(tenant)
    await installRbac(world.admin, { managers: [world.appRole] })
    await store().syncCatalog()
  })
  const store = () =>
    createRbacStore({ catalog, control: world.pool(), tenants: tenancy, now: () => time.ms })

  it('names foreign keys and indexes as agreed, with an index behind every foreign key', async () => {
    const { rows } = await world.root.query<{
      table: string
      name: string
      columns: string[]
      indexed: boolean
    }>(
      `select c.relname as table, k.conname as name, (select array_agg(a.attname::text order by i.n)
          from unnest(k.conkey) with ordinality i(num, n)
          join pg_attribute a on a.attrelid = k.conrelid and a.attnum = i.num) as columns,
        exists (select from pg_index x where x.indrelid = k.conrelid
          and (x.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) as indexed
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
      where k.contype = 'f' and c.relname in ('user_group', 'group_permission', 'tool_action', 'package_action',
        'tenant_entitlement', 'tenant_package', 'tenant_tool_override', 'tenant_resource')`,
    )
    expect(rows.length).toBeGreaterThan(12)
    for (const { table, name, columns, indexed } of rows) {
      const own = columns.filter((column) => column !== 'tenant_id')
      expect([name, indexed]).toEqual([`fk_${table}_${own.join('_')}`, true])
    }
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

  it('stands in the way neither of a tenant that leaves nor of one that comes back', async () => {
    expect(await tenancy.drop('globex')).toBe(true)
    await tenancy.provision('globex', { reuseDeletedKey: true })
    const { rows } = await tenancy.query('globex', 'select from "user"')
    expect(rows).toEqual([])
  })
})
