import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { NOTES, type RowTenancy, rowTenancy } from './row-world.ts'

const world = useWorld([])
let here: RowTenancy
let elsewhere: RowTenancy
beforeAll(async () => {
  here = rowTenancy(world)
  // Another process: a tenancy and a pool of its own.
  elsewhere = rowTenancy(world, {
    pool: world.pool(),
    adminPool: world.pool({ connectionString: world.adminUrl }),
  })
  for (const key of ['acme', 'globex']) await here.provision(key)
})
const insert = (tenancy: RowTenancy, key: string, body: string) =>
  tenancy.query(key, 'insert into notes (body) values ($1)', [body])
const count = async (sql: string) => Number((await world.root.query(`select (${sql})::int as n`)).rows[0].n)

describe('suspend', () => {
  it('refuses every new scope everywhere as soon as it resolves, and resume ends that', async () => {
    await elsewhere.query('acme', 'select 1')
    expect(await here.suspend('acme', 'unpaid')).toBe(true)
    expect(await codeOf(here.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await codeOf(elsewhere.withTenant('acme', async () => 1))).toBe('TENANT_SUSPENDED')
    for (const isolationLevel of ['repeatable read', 'serializable'] as const) {
      expect(await codeOf(elsewhere.query('acme', 'select 1', [], { isolationLevel }))).toBe(
        'TENANT_SUSPENDED',
      )
    }
    expect((await elsewhere.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await here.provision('acme')
    expect(await codeOf(here.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await here.resume('acme')).toBe(true)
    expect((await elsewhere.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('lets nothing of a running scope be committed', async () => {
    const code = await codeOf(
      elsewhere.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('before')`)
        await here.suspend('acme')
        await db.query(`insert into notes (body) values ('after')`)
      }),
    )
    await here.resume('acme')
    expect(code).toBe('TENANT_SUSPENDED')
    expect((await here.query('acme', 'select body from notes')).rows).toEqual([])
  })

  it('fails a scope that keeps its snapshot and writes, and waits for none', async () => {
    // Its snapshot is older than the suspension: without the row lock it would go on as if nothing had been.
    const scope = elsewhere.withTenant(
      'acme',
      async (db) => {
        await db.query(`insert into notes (body) values ('with an old snapshot')`)
        expect(await here.suspend('acme')).toBe(true)
      },
      { isolationLevel: 'repeatable read' },
    )
    await expect(scope).rejects.toMatchObject({ details: { sqlState: '40001' } })
    await here.resume('acme')
    expect(await count(`select count(*) from app.notes where body = 'with an old snapshot'`)).toBe(0)
  })

  it('says when there is nothing to suspend', async () => {
    expect(await codeOf(here.suspend('nobody'))).toBe('TENANT_NOT_FOUND')
  })
})

describe('reading scopes', () => {
  it('write nothing, also at their entrance', async () => {
    const options = { readOnly: true }
    expect((await here.query('acme', 'select 1 as one', [], options)).rows).toEqual([{ one: 1 }])
    expect(
      (await here.query('acme', 'select 1 as one', [], { ...options, isolationLevel: 'serializable' })).rows,
    ).toEqual([{ one: 1 }])
    const { rows } = await here.query('acme', 'select pg_current_xact_id_if_assigned() as id')
    expect(rows).toEqual([{ id: null }])
  })
})

const SHOP = {
  id: '0001_shop',
  sql: `
    create table customers (tenant_id text, id int, parent int, primary key (tenant_id, id),
      foreign key (tenant_id, parent) references customers);
    create table accounts (tenant_id text, id int, main int, primary key (tenant_id, id));
    create table entries (tenant_id text, id int, account int, primary key (tenant_id, id),
      foreign key (tenant_id, account) references accounts);
    alter table accounts add foreign key (tenant_id, main) references entries;
    create table items (tenant_id text, customer int not null, n int, foreign key (tenant_id, customer) references customers);
    create index on items (tenant_id);
    create table log (tenant_id text, at int) partition by range (at);
    create table log_1 partition of log for values from (0) to (10);
    create table log_2 partition of log for values from (10) to (1000);
    create index on log (tenant_id);
    create table countries (code text primary key)`,
}
const shopOptions = {
  migrations: [SHOP],
  controlSchema: 'shop_control',
  row: { schema: 'shop', referenceTables: ['countries'] },
}
const FILL = [
  `insert into customers (id, parent) select i, nullif(i - 1, 0) from generate_series(1, 25) i`,
  `insert into items (customer, n) select 1 + i % 25, i from generate_series(1, 120) i`,
  `insert into accounts (id) select i from generate_series(1, 7) i`,
  `insert into entries (id, account) select i, i from generate_series(1, 7) i`,
  'update accounts set main = id',
  `insert into log (at) select i from generate_series(0, 29) i`,
]
const TABLES = ['customers', 'items', 'accounts', 'entries', 'log']
const all = (key: string) =>
  count(TABLES.map((table) => `(select count(*) from shop.${table} where tenant_id = '${key}')`).join(' + '))

describe.each(['admin', 'root'] as const)('drop, administrator: %s', (who) => {
  const shop = () =>
    rowTenancy(world, { ...shopOptions, adminPool: who === 'admin' ? world.admin : world.root })
  beforeAll(async () => {
    // What the other administrator owns, this one may not change.
    await world.root.query('drop schema if exists shop cascade; drop schema if exists shop_control cascade')
    for (const key of ['big', 'other']) {
      await shop().provision(key)
      await shop().withTenant(key, async (db) => {
        for (const sql of FILL) await db.query(sql)
      })
    }
  })

  it('takes the rows of every table, circles of keys and partitions too, and leaves a tombstone', async () => {
    const others = await all('other')
    expect(await all('big')).toBe(189)
    expect(await shop().drop('big')).toBe(true)
    expect(await all('big')).toBe(0)
    expect(await all('other')).toBe(others)
    expect(await codeOf(shop().query('big', 'select 1'))).toBe('SCHEMA_MISSING')
    expect(await codeOf(shop().provision('big'))).toBe('CONFLICT')
    expect(await shop().drop('big')).toBe(false)
    expect(await shop().provision('big', { reuseDeletedKey: true })).toMatchObject({ created: true })
    expect((await shop().query('big', 'select * from customers')).rows).toEqual([])
  })

  it('waits for running scopes, and lets no new one in meanwhile', async () => {
    await shop().provision('busy')
    const { dropped } = await shop().withTenant('busy', async (db) => {
      await db.query('insert into customers (id) values (1)')
      const dropped = shop().drop('busy')
      await eventually(
        async () =>
          (await count(`select count(*) from pg_locks where locktype = 'advisory' and not granted`)) > 0,
      )
      expect(await codeOf(shop().query('busy', 'select 1'))).toBe('SCHEMA_MISSING')
      return { dropped }
    })
    // What the scope had written was committed, and was dropped.
    expect(await dropped).toBe(true)
    expect(await all('busy')).toBe(0)
  })

  it('does not call a tenant gone whose rows something keeps', async () => {
    await world.root.query(`
      create function shop.keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keep before delete on shop.accounts for each row execute function shop.keep()`)
    await shop().provision('kept')
    await shop().query('kept', 'insert into accounts (id) values (1)')
    expect(await codeOf(shop().drop('kept'))).toBe('CONFLICT')
    await world.root.query('drop function shop.keep cascade')
    expect(await shop().drop('kept')).toBe(true)
    expect(await all('kept')).toBe(0)
  })
})

// Hazard ad: the lock by which `drop` sees who is there can be taken by anybody in the database, for any tenant.
describe('a tenant that holds the lock of presence of another', () => {
  const presence = (key: string) => `hashtextextended(concat('pg_tenant.row:', 'c_', ':', '${key}'::text), 0)`
  /** As long as `fn` runs. */
  async function held(key: string, how: '' | '_shared', fn: () => Promise<void>): Promise<void> {
    await elsewhere.withTenant('globex', async (db) => {
      await db.query(`select pg_advisory_lock${how}(${presence(key)})`)
      await fn()
    })
  }
  // The server's view shows the locks of all databases; others run beside it.
  const locked = (...keys: string[]) =>
    count(`select count(distinct (classid, objid)) from pg_locks where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
      and (classid::int8 << 32) | objid::int8 in (${keys.map(presence)})`)

  it.concurrent.each(['', '_shared'] as const)(
    'keeps it from nothing: pg_advisory_lock%s',
    { tags: 'slow' },
    async (how) => {
      const key = `held${how}`
      await here.provision(key)
      await held(key, how, async () => {
        // That, and its own.
        expect(await locked(key, 'globex')).toBe(2)
        await insert(here, key, 'first')
        expect(await here.suspend(key)).toBe(true)
        expect(await codeOf(here.query(key, 'select 1'))).toBe('TENANT_SUSPENDED')
        expect(await here.resume(key)).toBe(true)
        const options = { isolationLevel: 'serializable' } as const
        await here.query(key, `insert into notes (body) values ('second')`, [], options)
        // Ahead of it, or not at all.
        const [dropped] = await Promise.allSettled([here.drop(key), insert(here, key, 'third')])
        expect(dropped).toMatchObject({ value: true })
        expect(await codeOf(here.query(key, 'select 1'))).toBe('SCHEMA_MISSING')
      })
      expect(await count(`select count(*) from app.notes where tenant_id = '${key}'`)).toBe(0)
    },
  )

  it.concurrent('a scope that was there all the time commits nothing of a tenant that is gone', {
    tags: 'slow',
  }, async () => {
    await here.provision('stays')
    let dropped: Promise<boolean> | undefined
    const scope = here.withTenant('stays', async (db) => {
      await db.query(`insert into notes (body) values ('too late')`)
      dropped = elsewhere.drop('stays')
      expect(await dropped).toBe(true)
    })
    expect(await codeOf(scope)).toBe('SCHEMA_MISSING')
    expect(await count(`select count(*) from app.notes where tenant_id = 'stays'`)).toBe(0)
  })

  const { promise: made, resolve: resume } = Promise.withResolvers<void>()
  it.concurrent('a scope that outlives its tenant neither writes into the next one of that key nor has read of it', async () => {
    await here.provision('again')
    const [, reader] = await Promise.allSettled([
      here.withTenant('again', async (db) => {
        await db.query(`insert into notes (body) values ('of the first')`)
        expect(await elsewhere.drop('again')).toBe(true)
        await elsewhere.provision('again', { reuseDeletedKey: true })
        await insert(elsewhere, 'again', 'of the second')
        resume()
      }),
      here.withTenant('again', async (db) => {
        await db.query('select 1')
        await made
        // Its policies know the key alone.
        return (await db.query('select body from notes')).rows
      }),
    ]).then((ended) => {
      expect(ended[0]).toMatchObject({ status: 'rejected', reason: { code: 'SCHEMA_MISSING' } })
      return ended
    })
    expect(reader).toMatchObject({ status: 'rejected', reason: { code: 'SCHEMA_MISSING' } })
    const { rows } = await here.query('again', 'select body from notes')
    expect(rows).toEqual([{ body: 'of the second' }])
  })

  it('control: without the row lock, a scope that passed the check ahead of the drop would leave rows behind', async () => {
    await here.provision('window')
    const client = await world.pool({ connectionString: world.appUrl, max: 1 }).connect()
    try {
      await client.query('begin')
      await client.query(
        `select set_config('app.tenant_id', 'window', true), set_config('search_path', 'app', true)`,
      )
      await client.query(`insert into notes (body) values ('in the window')`)
      // What the check before COMMIT asks, with nothing but a status in it.
      const { rows } = await client.query(`select status from tenancy.tenant where key = 'window'`)
      expect(rows).toEqual([{ status: 'active' }])
      expect(await elsewhere.drop('window')).toBe(true)
      await client.query('commit')
    } finally {
      client.release(true)
    }
    expect(await count(`select count(*) from app.notes where tenant_id = 'window'`)).toBe(1)
  })

  it('such a scope is waited for', async () => {
    await here.provision('awaited')
    const client = await world.pool({ connectionString: world.appUrl, max: 1 }).connect()
    let dropped: Promise<boolean> | undefined
    try {
      await client.query('begin')
      await client.query(
        `select set_config('app.tenant_id', 'awaited', true), set_config('search_path', 'app', true)`,
      )
      await client.query(`insert into notes (body) values ('committing')`)
      await client.query(`select app._tenant_c_('awaited', 'app')`)
      dropped = elsewhere.drop('awaited')
      await eventually(async () => (await count(`select count(*) from pg_locks where not granted`)) > 0)
      await client.query('commit')
    } finally {
      client.release(true)
    }
    expect(await dropped).toBe(true)
    expect(await count(`select count(*) from app.notes where tenant_id = 'awaited'`)).toBe(0)
  })
})

describe('provisioning', () => {
  it('may be done by several at once, also the first time', async () => {
    const options = { controlSchema: 'race_control', row: { schema: 'race' }, migrations: [NOTES] }
    const results = await Promise.all(
      Array.from({ length: 4 }, (_, at) => rowTenancy(world, options).provision(at % 2 ? 'one' : 'two')),
    )
    expect(results.filter(({ migrations }) => migrations.length > 0)).toHaveLength(1)
    expect(results.filter(({ created }) => created)).toHaveLength(2)
  })

  it('refuses a shared schema of another tenancy', async () => {
    expect(await codeOf(rowTenancy(world, { controlSchema: 'second' }).provision('acme'))).toBe('CONFLICT')
    expect(await codeOf(rowTenancy(world, { schemaPrefix: 'd_' }).provision('acme'))).toBe('CONFLICT')
  })

  it('does not let a tenancy that was pointed at it into a shared schema of another prefix', async () => {
    const other = rowTenancy(world, { schemaPrefix: 'e_', row: { schema: 'e' }, controlSchema: 'e_control' })
    await other.provision('acme')
    const astray = rowTenancy(world, { schemaPrefix: 'e_', controlSchema: 'e_control' })
    await expect(astray.query('acme', 'select * from notes')).rejects.toMatchObject({
      details: { sqlState: '42883' },
    })
  })

  it.each([
    { schema: 'pg_x' },
    { schema: '' },
    { schema: 'a"b' },
    { tenantColumn: '' },
    { referenceTables: [''] },
  ])('refuses %j', (row) => {
    expect(() => rowTenancy(world, { row })).toThrowError(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})
