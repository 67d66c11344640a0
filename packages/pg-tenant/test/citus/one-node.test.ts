import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { testSealing } from '../levels/setting.ts'
import { COMMERCE, describeCitus, useCitus } from './citus-world.ts'

const LATER = {
  id: '0002_later',
  sql: 'create table notes (id bigint generated always as identity primary key)',
}

describeCitus('Citus on one node', () => {
  const citus = useCitus(0)

  it.each(['schema', 'role', 'login'] as const)(
    'works at level %s: scopes, migrate, tenants made ahead, both backups, verify',
    async (isolation) => {
      const options = {
        isolation,
        schemaPrefix: `${isolation}_`,
        rolePrefix: `${citus.rolePrefix}${isolation}_`,
        controlSchema: `${isolation}_control`,
        ...(isolation === 'login' && { credentials: testSealing() }),
      }
      await citus.tenancy(options).provision('acme')
      const tenancy = citus.tenancy({ ...options, migrations: [COMMERCE, LATER] })
      expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: 1 })
      await tenancy.ready.fill(1)
      expect(await tenancy.provision('claimed', { fromReady: true })).toMatchObject({ claimed: true })
      for (const key of ['acme', 'claimed'])
        await tenancy.query(key, `insert into goods (name) values ('one'), ('two')`)
      const { rows } = await citus.coordinator.root.query(
        `select count(*)::int as tables from citus_tables where table_name::text ~ $1`,
        [`^${isolation}_(acme|claimed)[.](goods|sales|notes)$`],
      )
      expect(rows).toEqual([{ tables: 6 }])
      for (const format of [undefined, 'pg_dump'] as const) {
        const to = join(mkdtempSync(join(tmpdir(), 'citus-')), 'acme')
        await tenancy.backup('acme', { to, ...(format && { format }) })
        await tenancy.drop('acme')
        await tenancy.restore('acme', { from: to, reuseDeletedKey: true })
        expect((await tenancy.query('acme', 'select from goods')).rowCount).toBe(2)
      }
      const { checks } = await tenancy.verify()
      expect(checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    },
    120_000,
  )
})
