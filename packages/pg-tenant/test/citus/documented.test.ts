import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { beforeAll, expect, it } from 'vitest'
import { codeOf, eventually } from '../support/world.ts'
import { COMMERCE, describeCitus, type Node, useCitus } from './citus-world.ts'

// What docs/scale-out.md says of Citus and no other file here runs.
describeCitus('what is documented of Citus', () => {
  const citus = useCitus()
  const at = (url: string, { host, port }: Node) =>
    Object.assign(new URL(url), { hostname: host, port: String(port) }).href
  const elsewhere = async (schema: string) => {
    const here = await citus.workerOf(schema)
    return citus.workers.find((one) => one !== here) as Node
  }

  beforeAll(async () => {
    const tenancy = citus.tenancy()
    for (const key of ['acme', 'globex']) await tenancy.provision(key)
    await tenancy.query('acme', `insert into goods (name) values ('one'), ('two')`)
  })

  /** Of all nodes. */
  const rolesOf = async (key: string) => {
    const asked = [citus.coordinator, ...citus.workers].map(({ root }) =>
      root.query('select rolname from pg_roles where rolname = $1', [`${citus.rolePrefix}c_${key}`]),
    )
    const found = (await Promise.all(asked)).flatMap(({ rows }) => rows.map(({ rolname }) => String(rolname)))
    return [...new Set(found)]
  }

  it('refuses what cannot work, and keeps nothing of it', async () => {
    const [worker] = citus.workers as [Node]
    const refused = async (options: Parameters<typeof citus.tenancy>[0] = {}) =>
      expect(await codeOf(citus.tenancy(options).provision('never'))).toBe('INVALID_OPTION')
    await refused({ isolation: 'role' })
    await refused({ adminPool: citus.pool({ connectionString: at(citus.adminUrl, worker) }) })
    for (const [name, value] of [
      ['citus.enable_schema_based_sharding', 'on'],
      ['citus.enable_ddl_propagation', 'off'],
      ['citus.create_object_propagation', 'deferred'],
    ]) {
      await citus.coordinator.root.query(`alter role ${citus.admin} set ${name} to '${value}'`)
      await refused()
      await citus.coordinator.root.query(`alter role ${citus.admin} reset ${name}`)
    }
    expect(await codeOf(citus.tenancy().adopt('globex', { schema: 'c_globex' }))).toBe('INVALID_OPTION')
    expect((await citus.tenancy().list()).map(({ key }) => key)).toEqual(['acme', 'globex'])
  })

  it('goes on with an ordinary tenant that is handed over and distributed; it is moved once it is provisioned again', async () => {
    const { root } = citus.coordinator
    await citus.tenancy({ distributedSchemas: undefined }).provision('plain')
    const tenancy = citus.tenancy()
    await tenancy.query('plain', `insert into goods (name) values ('ordinary')`)
    await root.query(`reassign owned by ${citus.rolePrefix}c_plain to ${citus.admin}`)
    await root.query(`select citus_schema_distribute('c_plain')`)
    await tenancy.query('plain', `insert into goods (name) values ('distributed')`)
    const to = await elsewhere('c_plain')
    await expect(citus.move('c_plain', to)).rejects.toThrow('REPLICA IDENTITY')
    await tenancy.provision('plain')
    await citus.move('c_plain', to)
    expect(await citus.workerOf('c_plain')).toBe(to)
    expect((await tenancy.query('plain', 'select from goods')).rowCount).toBe(2)
    expect((await tenancy.verify()).checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    await tenancy.drop('plain')
    expect(await rolesOf('plain')).toEqual([])
  })

  it('ends on the worker what runs there for longer than statementTimeout', async () => {
    const tenancy = citus.tenancy()
    const slow = tenancy.withTenant('acme', (db) => db.query('select pg_sleep(60) from goods'), {
      statementTimeout: 300,
    })
    expect(await codeOf(slow)).toBe('TIMEOUT')
    const { root } = await citus.workerOf('c_acme')
    await eventually(async () => {
      const { rowCount } = await root.query(
        `select from pg_stat_activity where usename = $1 and state = 'active'`,
        [citus.app],
      )
      return rowCount === 0
    })
  })

  it('takes an ordinary tenant over by a backup and its restore', async () => {
    const to = join(mkdtempSync(join(tmpdir(), 'citus-')), 'plain')
    const plain = citus.tenancy({ distributedSchemas: undefined })
    await plain.provision('kept')
    await plain.query('kept', `insert into goods (name) values ('ordinary')`)
    const tenancy = citus.tenancy()
    await tenancy.backup('kept', { to })
    expect(await rolesOf('kept')).toHaveLength(1)
    await tenancy.drop('kept')
    expect(await rolesOf('kept')).toEqual([])
    await tenancy.restore('kept', { from: to, reuseDeletedKey: true })
    await citus.move('c_kept', await elsewhere('c_kept'))
    expect((await tenancy.query('kept', 'select from goods')).rowCount).toBe(1)
    await tenancy.drop('kept')
  })

  it('exports, and off-boards with a backup', async () => {
    const tenancy = citus.tenancy()
    const to = new PassThrough()
    const [lines] = await Promise.all([text(to), tenancy.export('acme', { to })])
    expect(lines).toContain('"name":"two"')
    await tenancy.provision('leaving')
    await tenancy.offboard('leaving', {
      confirm: 'leaving',
      backup: { to: join(mkdtempSync(join(tmpdir(), 'citus-')), 'leaving') },
    })
    expect(await tenancy.lookup('leaving')).toMatchObject({ status: 'deleted' })
  })

  it('closes a tenant on the coordinator: a worker lets in whom its pg_hba.conf lets in', async () => {
    const tenancy = citus.tenancy()
    await tenancy.suspend('acme')
    const direct = new pg.Client(at(citus.appUrl, await citus.workerOf('c_acme')))
    await direct.connect()
    expect((await direct.query('select from c_acme.goods')).rowCount).toBe(2)
    await direct.end()
    await tenancy.resume('acme')
  })

  it('holds partitions beside their table, keys to reference tables, and rows of INSERT … SELECT', async () => {
    const { root } = citus.coordinator
    await root.query('create table public.countries (code text primary key)')
    await root.query(`select create_reference_table('public.countries')`)
    await root.query(`insert into public.countries values ('at')`)
    await root.query(`grant select, references on public.countries to ${citus.admin}`)
    await root.query(`grant select on public.countries to ${citus.app}`)
    const sql = `create table months (day date not null, country text references public.countries) partition by range (day);
      create table months_1 partition of months for values from ('2026-01-01') to ('2026-02-01')`
    const tenancy = citus.tenancy({ migrations: [COMMERCE, { id: '0002_months', sql }] })
    await tenancy.migrate({ allowSchemas: ['public'] })
    await tenancy.query('acme', `insert into months select '2026-01-02', code from public.countries`)
    expect((await tenancy.query('acme', 'select from months_1')).rowCount).toBe(1)
    expect(await codeOf(tenancy.query('acme', `insert into months values ('2026-01-03', 'nowhere')`))).toBe(
      'CONFLICT',
    )
  })

  it.each([
    'create table t (like goods) inherits (goods)',
    'create table t (id int references c_globex.goods)',
    'update goods set name = name || random()',
    `insert into goods (name) values ((select 'n' || count(*) from goods))`,
    `insert into goods (name) values ('n') returning (select count(*) from goods)`,
    'select from goods join c_globex.goods other using (id)',
    'create trigger t before update on goods for each row execute function suppress_redundant_updates_trigger()',
  ])('Citus refuses: %s', async (sql) => {
    const client = new pg.Client(citus.adminUrl)
    await client.connect()
    await client.query('set search_path to c_acme')
    await expect(client.query(sql)).rejects.toThrow(
      /not support|cannot inherit|not colocated|must not be VOLATILE|repartition/,
    )
    await client.end()
  })
})
