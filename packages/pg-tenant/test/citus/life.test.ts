import { beforeAll, expect, it } from 'vitest'
import { codeOf, eventually } from '../support/world.ts'
import { COMMERCE, describeCitus, itOwnsNodes, type Node, useCitus } from './citus-world.ts'

const COLUMN = {
  id: '0002_column',
  sql: `alter table goods add column price int not null default 0;
    create table notes (id bigint generated always as identity primary key, body text)`,
}
const CONCURRENT = {
  id: '0003_concurrent',
  sql: `-- pg-tenant: no-transaction
    create table tags (id int primary key);
    create index concurrently idx_goods_price on goods (price)`,
}
const LATER = { id: '0004_later', sql: 'create table later (id int primary key)' }
const KEYS = ['acme', 'globex', 'initech', 'umbrella']

describeCitus('the life of tenants on Citus', () => {
  const citus = useCitus()
  const placed: Record<string, Node> = {}
  const elsewhere = (key: string) => citus.workers.find((one) => one !== placed[key]) as Node

  beforeAll(async () => {
    const tenancy = citus.tenancy()
    for (const key of KEYS) {
      await tenancy.provision(key)
      placed[key] = await citus.workerOf(`c_${key}`)
    }
  })

  it('moves a tenant to another node, and back, while it works', async () => {
    const tenancy = citus.tenancy()
    const running = { on: true, written: 0 }
    const writer = async () => {
      while (running.on) {
        const name = `moving ${running.written}`
        await tenancy.query('acme', 'insert into goods (name) values ($1)', [name])
        running.written++
      }
    }
    const writing = writer()
    try {
      await citus.move('c_acme', elsewhere('acme'))
      await citus.move('c_acme', placed.acme as Node)
    } finally {
      running.on = false
      await writing
    }
    const { rows } = await tenancy.query(
      'acme',
      `select count(*)::int as n from goods where name like 'moving%'`,
    )
    expect(rows).toEqual([{ n: running.written }])
  })

  it('migrates, in a transaction and outside of one, and knows who is behind', async () => {
    const tenancy = citus.tenancy({ migrations: [COMMERCE, COLUMN, CONCURRENT] })
    expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: KEYS.length })
    expect(await tenancy.migrate()).toMatchObject({ ok: true, behind: 0 })
    await tenancy.query('acme', `insert into goods (name, price) values ('priced', 3)`)
    await tenancy.query('acme', `insert into notes (body) values ('with the rights that new tables carry')`)
    // What migrations make is where the tenant is.
    const { rows } = await citus.coordinator.root.query(
      `select count(*)::int as made, count(p.logicalrelid)::int as distributed from pg_class c join pg_namespace n on n.oid = c.relnamespace
       left join pg_dist_partition p on p.logicalrelid = c.oid
       where c.relname in ('notes', 'tags', 'goods') and n.nspname like 'c\\_%'`,
    )
    expect(rows).toEqual([{ made: 3 * KEYS.length, distributed: 3 * KEYS.length }])
  })

  it('gives out tenants made ahead', async () => {
    const tenancy = citus.tenancy({ migrations: [COMMERCE, COLUMN, CONCURRENT] })
    await tenancy.ready.fill(1)
    expect(await tenancy.provision('claimed', { fromReady: true })).toMatchObject({ claimed: true })
    await tenancy.query('claimed', `insert into goods (name) values ('mine')`)
    expect(await codeOf(tenancy.query('claimed', 'select from c_claimed.nothing'))).toBe('DATABASE_ERROR')
    await tenancy.drop('claimed')
  })

  itOwnsNodes(
    'with a node down, only its tenants are away, and every tenant can be closed',
    async () => {
      const tenancy = citus.tenancy()
      const down = placed.acme as Node
      const alive = KEYS.find((key) => placed[key] !== down) as string
      await tenancy.query(alive, 'select 1')
      await down.kill()
      try {
        expect(await codeOf(tenancy.query('acme', 'select from goods'))).toBe('CONNECTION_LOST')
        await tenancy.query(alive, `insert into goods (name) values ('while it is down')`)
        await tenancy.withTenant(alive, async (db) => {
          await db.query(`insert into goods (name) values ('one more')`)
          await db.query('select from goods')
        })
        expect(await tenancy.suspend(alive)).toBe(true)
        expect(await tenancy.suspend('acme')).toBe(true)
        for (const key of [alive, 'acme'])
          expect(await codeOf(tenancy.query(key, 'select 1'))).toBe('TENANT_SUSPENDED')
        // It would be opened for the nodes that are there alone.
        expect(await codeOf(tenancy.resume('acme'))).toBe('CONNECTION_LOST')
        expect(await codeOf(tenancy.provision('late'))).toBe('CONNECTION_LOST')
        const later = citus.tenancy({ migrations: [COMMERCE, COLUMN, CONCURRENT, LATER] })
        expect(await later.migrate({ throwOnFailure: false })).toMatchObject({ ok: false, migrated: 0 })
      } finally {
        await down.restart()
      }
      await eventually(() => tenancy.resume('acme').catch(() => false))
      expect(await tenancy.resume(alive)).toBe(true)
      await eventually(() =>
        tenancy.query('acme', 'select from goods').then(
          () => true,
          () => false,
        ),
      )
    },
    120_000,
  )

  itOwnsNodes(
    'makes a tenant at the second try when a node was restarted behind the last one',
    async () => {
      const tenancy = citus.tenancy({ migrations: [COMMERCE, COLUMN, CONCURRENT] })
      await tenancy.provision('ahead')
      const { kill, restart } = placed.acme as Node
      await kill()
      await restart()
      // The administrator's session kept its connection to the node from the last time.
      expect(await codeOf(tenancy.provision('behind'))).toBe('CONNECTION_LOST')
      expect(await tenancy.lookup('behind')).toBeUndefined()
      await tenancy.provision('behind')
      for (const key of ['ahead', 'behind']) await tenancy.drop(key)
    },
    60_000,
  )

  it('drops a tenant only when the last scope has ended', async () => {
    const tenancy = citus.tenancy()
    const order: string[] = []
    let dropped: Promise<void> | undefined
    await tenancy.withTenant('umbrella', async (db) => {
      await db.query('select 1')
      dropped = tenancy.drop('umbrella').then(() => void order.push('dropped'))
      await eventually(async () => {
        const { rowCount } = await citus.coordinator.root.query(
          `select from pg_locks where not granted and relation = 'c_umbrella._tenant_c_'::regclass`,
        )
        return rowCount === 1
      })
      order.push('scope')
      await db.query(`insert into goods (name) values ('last')`)
    })
    await dropped
    expect(order).toEqual(['scope', 'dropped'])
    expect(await codeOf(tenancy.query('umbrella', 'select 1'))).toBe('SCHEMA_MISSING')
  })
})
