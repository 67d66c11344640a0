// @module-tag sampled
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { inTurn } from '../support/sample.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld([])

const KEYS = {
  uuid: [
    '11111111-1111-1111-1111-111111111111',
    '22222222-2222-2222-2222-222222222222',
    '11111111111111111111111111111111',
  ],
  bigint: ['7', '9007199254740993', '07'],
  integer: ['7', '8', '007'],
  text: ['acme', 'globex', undefined],
} as const

/** Shared tables as an application made them that had never heard of this library. */
const legacy = (schema: string, type: string, [one, two]: readonly (string | undefined)[]) =>
  world.root.query(`create schema if not exists ${schema}; set search_path to ${schema};
    create table tenants (id ${type} primary key, name text); create table plans (id serial primary key, name text);
    create table invoices (id bigserial primary key, tenant_id ${type} not null references tenants, total numeric not null, number int not null, unique (tenant_id, number));
    create table lines (id bigserial primary key, tenant_id ${type} not null references tenants, invoice_id bigint not null references invoices on delete cascade, what text);
    create index on lines (tenant_id);
    insert into tenants values ('${one}', 'one'), ('${two}', 'two');
    insert into invoices (tenant_id, total, number) select id, 10, n from tenants, generate_series(1, 3) n;
    insert into lines (tenant_id, invoice_id, what) select tenant_id, id, 'x' from invoices;
    ${['tenants', 'plans', 'invoices', 'lines'].map((table) => `alter table ${table} owner to ${world.adminRole}`).join(';')};
    grant select, insert, update, delete on all tables in schema ${schema} to ${world.appRole};
    alter schema ${schema} owner to ${world.adminRole}; reset search_path`)

describe.each(inTurn(Object.entries(KEYS), 2))(
  'shared tables with a tenant column of type %s',
  (type, keys) => {
    const [one, two, twin] = keys
    // The application's tables are in public, which every database has; here each type has a schema for itself.
    const schema = `of_${type}`
    const tenancyOf = (options: object = {}): Tenancy =>
      world.tenancy({
        isolation: 'row',
        migrations: [],
        sharedSchemas: [],
        controlSchema: `registry_${type}`,
        row: { schema, referenceTables: ['plans'], ...options },
      })

    it('are told of at once, before the first tenant, with the SQL that mends them', async () => {
      await legacy(schema, type, keys)
      const tenancy = tenancyOf()
      await expect(tenancy.provision(one)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        details: { count: 2 },
      })
      const { findings } = await tenancy.doctor()
      const found = findings.filter(({ severity, code }) => severity === 'error' && code.startsWith('ROW_'))
      expect(found.map(({ code, subject }) => [code, subject])).toEqual([
        ['ROW_FOREIGN_KEY', 'lines_invoice_id_fkey on lines'],
        ['ROW_UNSCOPED_TABLE', 'tenants'],
      ])
      expect(findings).toContainEqual(
        expect.objectContaining({ code: 'ROW_UNIQUE_KEY', subject: 'invoices_pkey' }),
      )
      await world.admin.query(found[0]?.fix ?? '')
      await world.admin.query(
        `create schema apart_${type}; alter table ${schema}.tenants set schema apart_${type}`,
      )
      const left = (await tenancy.doctor()).findings.filter(({ severity }) => severity === 'error')
      expect(left).toEqual([])
    })

    it('keep tenants apart, by an index', async () => {
      const tenancy = tenancyOf()
      for (const key of [one, two]) await tenancy.provision(key)
      const count = async (key: string) =>
        (await tenancy.query(key, 'select count(*)::int as n from invoices')).rows
      expect([await count(one), await count(two)]).toEqual([[{ n: 3 }], [{ n: 3 }]])
      const { rows } = await tenancy.query(
        one,
        `insert into invoices (total, number) values (1, 9) returning tenant_id::text as tenant`,
      )
      expect(rows).toEqual([{ tenant: one }])
      expect(
        await codeOf(
          tenancy.query(one, `insert into invoices (tenant_id, total, number) values ('${two}', 1, 10)`),
        ),
      ).toBe('DATABASE_ERROR')
      expect((await tenancy.query(one, `delete from lines where tenant_id = '${two}'`)).rowCount).toBe(0)
      const client = await world.root.connect()
      await client.query(
        `begin; set local role ${world.appRole}; set local enable_seqscan = off; set local app.tenant_id = '${one}'`,
      )
      const { rows: plan } = await client.query(`explain (format json) select * from ${schema}.lines`)
      await client.query('rollback')
      client.release()
      expect(JSON.stringify(plan)).toMatch(/"Index Cond":"[^"]*tenant_id[^":]* = /)
      expect((await world.pool().query(`select from ${schema}.invoices`)).rowCount).toBe(0)
    })

    it.skipIf(twin === undefined)('have one key for a value', async () => {
      const tenancy = tenancyOf()
      await expect(tenancy.provision(String(twin))).rejects.toMatchObject({
        code: 'INVALID_TENANT_KEY',
        details: { column: 'tenant_id' },
      })
      expect(await tenancy.find(String(twin))).toBeUndefined()
      // Were it let in, it would see nothing: policies compare the value as it is written.
      await world.root.query(
        `insert into registry_${type}.tenant (prefix, key, status, isolation) values ('c_', $1, 'active', 'row')`,
        [twin],
      )
      expect((await tenancy.query(String(twin), 'select * from invoices')).rows).toEqual([])
      expect(
        await codeOf(tenancy.query(String(twin), 'insert into invoices (total, number) values (1, 11)')),
      ).toBe('DATABASE_ERROR')
      await world.root.query(`delete from registry_${type}.tenant where key = $1`, [twin])
    })

    it('leave nothing for doctor and verify to find, and go through an archive', async () => {
      const tenancy = tenancyOf()
      const { findings } = await tenancy.doctor()
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
      expect((await tenancy.verify()).ok).toBe(true)
      expect((await tenancy.stats({ exact: true })).tenants.map(({ rows }) => rows)).toEqual([7, 6])
      const folder = await mkdtemp(join(tmpdir(), 'pg-tenant-'))
      try {
        const to = join(folder, 'one.pgtenant')
        await tenancy.backup(one, { to })
        const before = (await tenancy.query(one, 'select * from invoices order by id')).rows
        await tenancy.drop(one)
        expect(
          (await world.root.query(`select from ${schema}.invoices where tenant_id = '${one}'`)).rowCount,
        ).toBe(0)
        expect(
          (await world.root.query(`select from ${schema}.invoices where tenant_id = '${two}'`)).rowCount,
        ).toBe(3)
        await tenancy.restore(one, { from: to, reuseDeletedKey: true })
        expect((await tenancy.query(one, 'select * from invoices order by id')).rows).toEqual(before)
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  },
)
