import { TENANT_SETTING } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { nameOf, open, settle, stopped } from '../finding.ts'
import { type Attack, type Finding, NotApplicable } from '../types.ts'
import { attack, type Scene } from './scene.ts'

/** An attack on what keeps rows of one table apart; there is nothing of the kind at other levels. */
function onRows(facts: Pick<Attack, 'id' | 'title'>, act: (scene: Scene) => Promise<Finding>): Attack {
  const there = attack({ ...facts, promise: ['row'] }, act)
  const run: Attack['run'] = async (lab) => {
    if (!lab.traits.shared) throw new NotApplicable('tenants share no tables at this level')
    return await there.run(lab)
  }
  return { ...there, run }
}

const notesOf = ({ lab, a }: Scene) => qualify(lab.schemaOf(a), 'notes')

/** Whether the rows of the other tenant still are what they were. */
async function isUntouched({ lab, b }: Scene): Promise<boolean> {
  return (await lab.bodies(b)).join() === `row of ${b}`
}

/** Statements one by one, each in a scope that then reads everything; says which brought back or changed foreign rows. */
async function tryAll(scene: Scene, statements: readonly string[]): Promise<Finding> {
  const { subject, a, b } = scene
  for (const sql of statements) {
    let read: string[] = []
    await settle(
      subject.withTenant(a, async (db) => {
        await settle(db.query(sql))
        read = (await db.query(`select body from ${notesOf(scene)}`)).rows.map((row) => String(row.body))
      }),
    )
    if (read.includes(`row of ${b}`)) return open(`the other tenant's rows are read after: ${sql}`)
    if (!(await isUntouched(scene))) return open(`the other tenant's rows are changed by: ${sql}`)
  }
  return stopped(`${statements.length} statements, no foreign row was read or changed`)
}

const given = onRows({ id: 'row.write', title: 'rows written for another tenant, or given to it' }, (scene) =>
  tryAll(scene, [
    `insert into notes (tenant_id, body) values ('${scene.b}', 'forged')`,
    `insert into notes (tenant_id, body) values ('${scene.b}', 'forged') on conflict do nothing`,
    `update notes set tenant_id = '${scene.b}'`,
    `insert into notes (id, body) overriding system value select id, body from notes
       on conflict (tenant_id, id) do update set tenant_id = '${scene.b}'`,
    `merge into notes n using (values (1)) v on false when not matched then insert (tenant_id, body) values ('${scene.b}', 'forged')`,
    `update notes set body = 'forged' where tenant_id = '${scene.b}'`,
    `delete from notes where tenant_id = '${scene.b}'`,
  ]),
)

const nobody = onRows(
  { id: 'row.unset', title: 'no tenant set, or an empty one' },
  async (scene): Promise<Finding> => {
    const { pool, subject, a, b, lab } = scene
    const notes = notesOf(scene)
    // Row of nobody; only a role that no policy binds could have made it, so it may well be refused.
    await settle(lab.admin(`insert into ${notes} (tenant_id, body) values ('', 'row of nobody')`))
    // Before a scope the setting is unknown, behind one it is empty.
    for (const when of ['before', 'after']) {
      for (const sql of [
        `select body from ${notes}`,
        `update ${notes} set body = 'forged' returning body`,
        `insert into ${notes} (tenant_id, body) values ('', 'forged') returning body`,
        `insert into ${notes} (tenant_id, body) values ('${b}', 'forged') returning body`,
      ]) {
        const outcome = await settle(pool.query(sql))
        if (outcome.ok && outcome.value.rows.length > 0) return open(`rows ${when} a scope: ${sql}`)
      }
      await subject.withTenant(a, (db) => db.query('select 1'))
    }
    return (await isUntouched(scene)) ? stopped('no rows, no writes') : open('a foreign row was changed')
  },
)

const switchedOff = onRows({ id: 'row.policy', title: 'row security switched off from inside' }, (scene) =>
  tryAll(scene, [
    `select set_config('row_security', 'off', true)`,
    `do $$ begin set local row_security to off; end $$`,
    'alter table notes disable row level security',
    'alter table notes no force row level security',
    'drop policy tenant_isolation on notes',
    'alter policy tenant_isolation on notes using (true) with check (true)',
    'create policy kit_open on notes using (true)',
    'alter table notes owner to current_user',
    'truncate notes',
    `select set_config('session_replication_role', 'replica', true)`,
    `reset ${TENANT_SETTING}`,
    'reset role',
    `do $$ begin execute 'reset ${TENANT_SETTING}'; end $$`,
  ]),
)

const definer = onRows(
  { id: 'row.definer', title: "a view and a function with their owner's rights" },
  async (scene) => {
    const { subject, a, b, lab } = scene
    const [owner] = await lab.admin(
      'select rolsuper or rolbypassrls as unbound from pg_roles where rolname = current_user',
    )
    if (owner?.unbound === true)
      throw new NotApplicable('no policy binds this administrator; provision refuses such functions')
    const shared = quoteIdentifier(lab.sharedSchema)
    await lab.admin(`create view ${shared}.kit_view as select body from ${notesOf(scene)};
      grant select on ${shared}.kit_view to public;
      create function ${shared}.kit_bodies() returns setof text language sql security definer
        as $$ select body from ${notesOf(scene)} $$`)
    try {
      for (const from of [`${shared}.kit_view`, `${shared}.kit_bodies() as body`]) {
        const { rows } = await subject.withTenant(a, (db) => db.query(`select body from ${from}`))
        if (rows.some((row) => row.body === `row of ${b}`))
          return open(`the other tenant's rows are in ${from}`)
        if (rows.length === 0) return open(`${from} does not even show its own rows: nothing is proved`)
      }
      return stopped('its own rows only: the policies bind their owner')
    } finally {
      await lab.admin(`drop view ${shared}.kit_view; drop function ${shared}.kit_bodies()`)
    }
  },
)

const leaking = onRows(
  { id: 'row.leak', title: 'a function in the WHERE that is shown rows before the policy' },
  async (scene) => {
    const { subject, a, b } = scene
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query('create temp table kit_leaked (body text) on commit drop')
        await db.query(`create function pg_temp.kit_leak(text) returns boolean cost 0.0000001 language plpgsql
          as $$ begin insert into pg_temp.kit_leaked values ($1); return true; end $$`)
        await db.query('select from notes where pg_temp.kit_leak(body)')
        const { rows } = await db.query('select body from pg_temp.kit_leaked')
        await db.query('drop function pg_temp.kit_leak(text)')
        return rows
      }),
    )
    if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
    if (outcome.value.some((row) => row.body === `row of ${b}`))
      return open("it was shown the other tenant's rows")
    return stopped('it is shown its own rows only')
  },
)

export const rowSecurity = [given, nobody, switchedOff, definer, leaking]
