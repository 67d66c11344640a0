// @module-tag sampled
import type { TenantKey } from '@org/core'
import type pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { installAudit } from '../src/audit/index.ts'
import { installJobs } from '../src/jobs/index.ts'
import { installOutbox } from '../src/outbox/index.ts'
import { installPrivacy } from '../src/privacy/index.ts'
import { installRetention } from '../src/retention/index.ts'
import { installUsage } from '../src/usage/index.ts'
import { acme, globex, LEVELS, useLevel } from './support/levels.ts'

// Every relation and function of the control schema, as the catalogue has them: what a release adds is attacked by itself.

/** Levels `role` and `row`, whose policies ask another thing, and of the commands a third and a sixth, other ones of each relation; all in the slow set. */
const LOOKED_AT = process.env.TEST_SLOW ? LEVELS : (['role', 'row'] as const)
const attempted = (level: (typeof LEVELS)[number], commands: readonly string[], relation: number) =>
  process.env.TEST_SLOW
    ? commands
    : commands.filter((_, at) => (at + relation) % (level === 'role' ? 3 : 6) === 0)

/** What a tenant may do there: append rows in its own name, with these columns. */
const APPENDS: Readonly<Record<string, readonly string[]>> = {
  audit_log: [
    'action',
    'actor_id',
    'actor_type',
    'changes',
    'entity_id',
    'entity_type',
    'id',
    'mac',
    'metadata',
    'personal',
    'request_id',
    'tenant',
  ],
  outbox: ['available_at', 'id', 'key', 'payload', 'slot', 'tenant', 'trace', 'type'],
  resource_hold: ['amount', 'resource_type', 'tenant', 'token'],
  resource_return: ['resource_type', 'tenant', 'token'],
  usage_delta: ['action', 'amount', 'part', 'request_id', 'tenant'],
}

interface Relation {
  readonly name: string
  readonly kind: string
  readonly column: string
}

const RELATIONS = `select c.relname as name, c.relkind::text as kind,
    (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and a.attidentity = ''
      order by a.attnum limit 1) as column
  from pg_class c where c.relnamespace = 'governance'::regnamespace and c.relkind in ('r', 'p', 'S', 'v', 'm') order by 1`
const FUNCTIONS = `select p.oid::regprocedure::text as signature, p.proname as name, p.prorettype = 'trigger'::regtype as trigger,
    (select coalesce(string_agg('null::' || format_type(t, null), ', ' order by n), '')
      from unnest(p.proargtypes) with ordinality as u(t, n)) as arguments
  from pg_proc p where p.pronamespace = 'governance'::regnamespace order by 1`

describe.each(LOOKED_AT)('level %s', (level) => {
  const world = useLevel(level, async (admin, options) => {
    await installAudit(admin, options)
    await installUsage(admin, options)
  })
  beforeAll(async () => {
    const admin = world.setting.world.admin
    const { readers, ...options } = world.options
    // A reader beside the tenants opens nothing to them.
    if (level !== 'database') {
      await installAudit(admin, { ...options, readers })
      await installUsage(admin, { ...options, readers, managers: readers })
    }
    await installOutbox(admin, { ...options, workers: readers })
    await installRetention(admin, { managers: readers })
    await installPrivacy(admin, { managers: readers })
    await installJobs(admin, { runners: readers })
  })
  const refusal = (sql: string, tenant: TenantKey = acme) =>
    world.tenancy
      .withTenant(tenant, (db) => db.query(sql))
      .then(
        ({ rows }) => `${sql}: not refused (${JSON.stringify(rows)})`,
        ({ code, details }: { code: string; details?: { sqlState?: string } }) => details?.sqlState ?? code,
      )
  /** Insufficient privilege; a relation of a kind that takes no such command; a command that no scope sends. */
  const REFUSED = /^(42501|42809|STATEMENT_REFUSED)$/
  const relations = async () => (await world.root(acme).query<Relation>(RELATIONS)).rows
  const contents = async (pool: pg.Pool) => {
    const all: string[] = []
    for (const { name, kind } of (await pool.query<Relation>(RELATIONS)).rows) {
      if (kind === 'S') continue
      const { rows } = await pool.query<{ rows: string }>(
        `select count(*) || coalesce(md5(string_agg(t::text, '' order by t::text)), '') as rows from governance.${name} t`,
      )
      all.push(`${name} ${rows[0]?.rows}`)
    }
    return all
  }

  it('a tenant’s SQL can do nothing to any relation but append to five of them', async () => {
    const before = await contents(world.root(acme))
    for (const [at, { name, kind, column }] of (await relations()).entries()) {
      const table = `governance.${name}`
      const attempts =
        kind === 'S'
          ? [`select nextval('${table}')`, `select setval('${table}', 1)`, `select * from ${table}`]
          : [
              `select * from ${table}`,
              `select count(*) from ${table}`,
              `table ${table}`,
              `update ${table} set "${column}" = "${column}"`,
              `delete from ${table}`,
              `truncate ${table}`,
              `lock table ${table} in access exclusive mode`,
              `lock table ${table} in row exclusive mode`,
              `insert into ${table} default values returning *`,
              `merge into ${table} t using (select 1) s on true when matched then delete`,
              `alter table ${table} disable row level security`,
              `alter table ${table} add column mine integer`,
              `drop table ${table}`,
              `create index on ${table} ("${column}")`,
              `create rule mine as on insert to ${table} do instead nothing`,
              `create policy mine on ${table} using (true)`,
              `create trigger mine before insert on ${table} for each row execute function suppress_redundant_updates_trigger()`,
              `comment on table ${table} is 'mine'`,
              `grant select on ${table} to public`,
            ]
      for (const sql of attempted(level, attempts, at))
        expect([sql, await refusal(sql)]).toEqual([sql, expect.stringMatching(REFUSED)])
    }
    expect(await contents(world.root(acme))).toEqual(before)
  })

  it('and to these with the columns named, in its own name alone', async () => {
    const { rows } = await world.tenancy.query<{ name: string; columns: string[] }>(
      acme,
      `select c.relname as name, array_agg(a.attname::text order by a.attname) as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = (select oid from pg_namespace where nspname = 'governance') and c.relkind in ('r', 'p')
          and has_column_privilege(current_user, c.oid, a.attnum, 'insert') group by 1 order by 1`,
    )
    const { outbox: _, ...apart } = APPENDS
    expect(Object.fromEntries(rows.map(({ name, columns }) => [name, columns]))).toEqual(
      level === 'database' ? apart : APPENDS,
    )
    const forged = [
      `insert into governance.audit_log (id, tenant, actor_type, action, mac) values (gen_random_uuid(), $, 'system', 'x', '')`,
      `insert into governance.usage_delta (tenant, request_id, action) values ($, 'forged', 'x')`,
      `insert into governance.resource_hold (tenant, resource_type, token, amount) values ($, 'users', sha256('x'), 1)`,
      `insert into governance.resource_return (tenant, resource_type, token) values ($, 'users', sha256('x'))`,
      ...(level === 'database'
        ? []
        : [`insert into governance.outbox (tenant, type, payload) values ($, 'a.b', '1')`]),
    ]
    for (const sql of forged) {
      for (const whose of [`'${globex}'`, `''`, `'postgres'`, `'${world.setting.roleOf(level, globex)}'`]) {
        const one = sql.replace('$', whose)
        expect([one, await refusal(one)]).toEqual([one, '42501'])
      }
    }
  })

  it('calls none of the functions, and makes nothing in the schema', async () => {
    const { rows } = await world.root(acme).query<{
      signature: string
      name: string
      trigger: boolean
      arguments: string
    }>(FUNCTIONS)
    for (const { signature, name, trigger, arguments: given } of rows) {
      const call = `select governance.${name}(${given})`
      expect([signature, await refusal(call)]).toEqual([signature, '42501'])
      if (!trigger) continue
      // As a trigger of its own it would run with the owner's rights.
      const mine = level === 'row' ? 'app.notes' : 'notes'
      const hang = `create trigger mine before insert on ${mine} for each row execute function governance.${name}()`
      expect([signature, await refusal(hang)]).toEqual([signature, '42501'])
    }
    for (const sql of [
      'create table governance.mine ()',
      'create function governance.mine() returns int language sql as $$ select 1 $$',
      'alter schema governance rename to mine',
      'drop schema governance cascade',
    ])
      expect([sql, await refusal(sql)]).toEqual([sql, expect.stringMatching(REFUSED)])
  })

  it.skipIf(level === 'database')('nor does it as the role that the application logs in with', async () => {
    for (const { name, kind } of await relations()) {
      if (kind === 'S') continue
      const sql = `reset role; select * from governance.${name}`
      const back = await world.tenancy
        .withTenant(acme, async (db) => {
          await db.query('reset role')
          return await db.query(`select * from governance.${name}`)
        })
        .then(
          () => `${sql}: not refused`,
          ({ code, details }: { code: string; details?: { sqlState?: string } }) => details?.sqlState ?? code,
        )
      expect([name, back]).toEqual([name, expect.stringMatching(REFUSED)])
    }
  })
})

describe('control', () => {
  const world = useLevel('role', installAudit)

  it('granted as one does for a start it is open, and the first of these attacks shows it', async () => {
    await world.root(acme).query('grant select on all tables in schema governance to public')
    await world.root(acme).query('alter table governance.audit_log disable row level security')
    const { rows } = await world.tenancy.query(acme, 'select count(*) from governance.audit_log')
    expect(rows).toHaveLength(1)
  })
})
