// @module-tag sampled
import { beforeEach, describe, expect, it } from 'vitest'
import { acme, globex, SHARED_LEVELS_IN_TURN, useOutbox } from '../support/outbox-world.ts'

const SLOT = `(floor(extract(epoch from (now() - '2000-01-01 00:00:00+00'::timestamptz)) / 172800)::int8 % 16)::int2`
const event = (tenant: string) =>
  `insert into governance.outbox (tenant, type, payload) values ('${tenant}', 'a.b', '1')`

/** Each would read, forge, change or remove an event, or reach what is behind the outbox. */
const ATTACKS: Record<string, string> = {
  read: 'select * from governance.outbox',
  'read a partition': 'select * from governance.outbox_0',
  'read by RETURNING': `${event('acme')} returning *`,
  'read the queue': 'select * from governance.outbox_ready',
  'read dead letters': 'select * from governance.outbox_dead',
  change: `update governance.outbox set payload = '2'`,
  remove: 'delete from governance.outbox',
  empty: 'truncate governance.outbox',
  merge: `merge into governance.outbox o using (select 1) s on true when matched then delete`,
  'lock out': 'lock table governance.outbox in access exclusive mode',
  'lock in any way': 'lock table governance.outbox in row exclusive mode',
  'into a partition': `insert into governance.outbox_0 (slot, tenant, type, payload) values (0, 'acme', 'a.b', '1')`,
  'with attempts': `insert into governance.outbox (tenant, type, payload, attempts) values ('acme', 'a.b', '1', 0)`,
  'with a number of its own': `insert into governance.outbox (tenant, type, payload, seq) overriding system value
    values ('acme', 'a.b', '1', 1)`,
  'with a transaction of others': `insert into governance.outbox (tenant, type, payload, xid) values ('acme', 'a.b', '1', '1')`,
  'published before': `insert into governance.outbox (tenant, type, payload, published_at) values ('acme', 'a.b', '1', now())`,
  take: 'select * from governance.outbox_take(100, 45, 5, true)',
  settle: `select governance.outbox_settle(1, gen_random_uuid(), '{}', null)`,
  forget: `select governance.outbox_forget('globex')`,
  resume: `select governance.outbox_resume('globex')`,
  sweep: 'select governance.outbox_sweep()',
  'own the table': 'alter table governance.outbox disable row level security',
  'add a trigger': `create trigger t before insert on governance.outbox execute function suppress_redundant_updates_trigger()`,
  'put something in the schema': 'create table governance.mine ()',
  'in the distant past': `insert into governance.outbox (tenant, type, payload, available_at) values ('acme', 'a.b', '1', now() - interval '1 day')`,
  'in the distant future': `insert into governance.outbox (tenant, slot, type, payload, available_at)
    select 'acme', (floor(extract(epoch from (d - '2000-01-01 00:00:00+00'::timestamptz)) / 172800)::int8 % 16)::int2,
    'a.b', '1', d from (select now() + interval '40 days' as d) x`,
  'for ever': `insert into governance.outbox (tenant, type, payload, available_at) values ('acme', 'a.b', '1', 'infinity')`,
  'in a slot that is not there': `insert into governance.outbox (tenant, slot, type, payload) values ('acme', 99, 'a.b', '1')`,
  'in a slot of another day': `insert into governance.outbox (tenant, slot, type, payload) values ('acme', ((${SLOT} + 1) % 16)::int2, 'a.b', '1')`,
  'of a hostile type': `insert into governance.outbox (tenant, type, payload) values ('acme', E'a\\n; drop table x', '1')`,
  'of a huge type': `insert into governance.outbox (tenant, type, payload) values ('acme', repeat('a', 200), '1')`,
  'with a huge payload': `insert into governance.outbox (tenant, type, payload) values ('acme', 'a.b', to_jsonb(repeat('x', 2000000)))`,
  // A numeric of twelve bytes is 131 kB of text: of a few thousand nobody could take any event any more.
  'with a payload that is long only as text': `insert into governance.outbox (tenant, type, payload)
    select 'acme', 'a.b', ('[' || repeat('1e131071,', 20) || '1]')::jsonb`,
  'with a hostile trace': `insert into governance.outbox (tenant, type, payload, trace) values ('acme', 'a.b', '1', 'x' || chr(10))`,
}

/** In whose name it may not be. */
const FORGERIES: Record<string, string> = {
  'in the name of another': event('globex'),
  'in the name of a role': event('postgres'),
  'in nobody’s name': `insert into governance.outbox (type, payload) values ('a.b', '1')`,
  'in the name of NULL': `insert into governance.outbox (tenant, type, payload) values (null, 'a.b', '1')`,
  'half its own': `insert into governance.outbox (tenant, type, payload) values ('acme', 'a.b', '1'), ('globex', 'a.b', '1')`,
}

describe.each(SHARED_LEVELS_IN_TURN)("level %s: a tenant's SQL", (level) => {
  const there = useOutbox(level)
  const all = async () =>
    (await there.setting.world.root.query('select tenant, type, payload from governance.outbox order by seq'))
      .rows
  beforeEach(async () => {
    await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
    await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'theirs', 'secret'))
  })
  const attack = async (sql: string) =>
    await there.tenancy
      .withTenant(acme, (db) => db.query(sql))
      .then(
        ({ rows }) => `not refused: ${JSON.stringify(rows)}`,
        (error: { code: string; details: { sqlState?: string } }) => error.details.sqlState ?? error.code,
      )

  it.each(Object.entries(ATTACKS))('cannot %s', async (_, sql) => {
    expect(await attack(sql)).toMatch(
      /^(42501|23514|23502|23505|22003|22P02|22021|0A000|54000|42P17|428C9|STATEMENT_REFUSED)$/,
    )
    expect(await all()).toEqual([{ tenant: 'globex', type: 'theirs', payload: 'secret' }])
  })

  it.each(Object.entries(FORGERIES))('cannot publish %s', async (_, sql) => {
    expect(await attack(sql)).toMatch(/^(42501|23502)$/)
    expect(await all()).toHaveLength(1)
  })

  it('cannot keep others waiting: by a transaction that stays open', async () => {
    const { world } = there.setting
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    let opened = () => {}
    const open = new Promise<void>((resolve) => (opened = resolve))
    const held = there.tenancy.withTenant(acme, async (db) => {
      await db.query(event('acme'))
      opened()
      await released
    })
    await open
    await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'later', 1))
    const { rows } = await there.control.query<{ tenant: string; lease: string; token: string; seq: string }>(
      'select * from governance.outbox_take(10, 45, 5, true)',
    )
    expect(rows.map(({ tenant }) => tenant)).toEqual(['globex', 'globex'])
    await there.control.query('select governance.outbox_sweep()')
    release()
    await held
    const late = await there.control.query<{ tenant: string }>(
      'select * from governance.outbox_take(10, 45, 5, true)',
    )
    expect(late.rows.map(({ tenant }) => tenant)).toEqual(['acme'])
    await world.root.query(`update governance.outbox_lease set over = true`)
  })
})

describe('the control: what others do', () => {
  const there = useOutbox('role')

  it('a cursor over ids loses the event of a transaction that commits late', async () => {
    const { root } = there.setting.world
    await root.query('create table public.obvious (id bigint generated always as identity, tenant text)')
    const [late, early] = [await root.connect(), await root.connect()]
    try {
      await late.query(`begin; insert into public.obvious (tenant) values ('late')`)
      await early.query(`insert into public.obvious (tenant) values ('early')`)
      const first = await early.query<{ id: string }>('select max(id) as id from public.obvious')
      await late.query('commit')
      const next = await early.query('select from public.obvious where id > $1', [first.rows[0]?.id])
      expect(next.rows).toEqual([])
    } finally {
      late.release()
      early.release()
    }
  })

  it('without a policy anybody forges, and the policy is all that stops it', async () => {
    const { root, rolePrefix } = there.setting.world
    const forge = () => there.tenancy.withTenant(acme, (db) => db.query(event('globex')))
    await expect(forge()).rejects.toMatchObject({ details: { sqlState: '42501' } })
    await root.query('alter table governance.outbox disable row level security')
    await forge()
    await root.query('alter table governance.outbox enable row level security')
    expect(rolePrefix).not.toBe('')
  })
})
