import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import type { Tenancy } from '../../src/index.ts'
import { NOTES, useWorld } from '../support/world.ts'
import { lifecycleOf, provisionMany } from './fleet-world.ts'

// One session serves many tenants, and keeps statements of ours under names. What a tenant's trigger does with it while a
// migration touches its table must gain nothing, over the administrator or over whoever comes next.

const world = useWorld([])
const keys = ['a', 'evil', 'good']
let step = 0
/** A migration that runs the tenant's trigger, over one session. */
const migrate = () => {
  const one = { id: `${1000 + step++}`, sql: 'update notes set body = body' }
  history.push(one)
  return migrateFleet(lifecycleOf(world, [NOTES, ...history]), {
    connections: 1,
    attempts: 1,
    maxFailures: 9,
  })
}
const history: { id: string; sql: string }[] = []
let tenancy: Tenancy
const evil = (sql: string) => tenancy.query('evil', sql)
const plant = async (body: string) => {
  await evil(`do $do$ begin drop trigger if exists planted on notes; create or replace function planted() returns trigger
    language plpgsql as $f$ declare one record; begin ${body} return new; end $f$;
    create trigger planted before update on notes for each row execute function planted(); end $do$`)
}
const seen = async () =>
  (await world.root.query('select distinct who from c_evil.seen order by 1')).rows.map(({ who }) => who)

beforeAll(async () => {
  await provisionMany(world, keys)
  tenancy = world.tenancy()
  for (const key of keys) await tenancy.query(key, `insert into notes (body) values ('x')`)
  await evil('create table seen (who text)')
  await evil('grant all on seen to public')
  await evil('grant usage on schema c_evil to public')
})
beforeEach(async () => {
  await evil('truncate seen')
})

const outcomes = ({ tenants }: Awaited<ReturnType<typeof migrateFleet>>) =>
  tenants.map(({ tenant, state, error }) => `${tenant} ${error?.code ?? state}`).sort()

describe('a tenant on the session of a migration', () => {
  it('that puts its own statements under our names is found, and none of them is run', async () => {
    await plant(`for one in select name from pg_prepared_statements where not from_sql loop
      execute format('deallocate %I', one.name);
      execute format('prepare %I as insert into c_evil.seen values (current_user)', one.name);
    end loop;`)
    expect(outcomes(await migrate())).toEqual(['a migrated', 'evil STATEMENT_REFUSED', 'good migrated'])
    expect(await seen()).toEqual([])
  })

  it.each([
    ['closes all that is open', `execute 'close all';`, 'STATEMENT_REFUSED'],
    ['changes the path', `perform set_config('search_path', 'c_evil', true);`, 'STATEMENT_REFUSED'],
    [
      'changes the path and takes our statements away',
      `perform set_config('search_path', 'c_evil', false); execute 'deallocate all';`,
      'STATEMENT_REFUSED',
    ],
    [
      'has cursors under the names of our portals, one of them for COMMIT',
      `begin execute 'close pgt_room'; exception when others then null; end;
       begin execute 'declare pgt_room cursor with hold for insert into c_evil.seen values (current_user) returning 1';
       exception when others then null; end;
       execute 'close pgt_path';
       execute 'declare pgt_path cursor with hold for select c_evil.look()';`,
      'migrated',
    ],
    [
      'closes nothing that is there',
      `begin execute 'close ""'; exception when others then null; end;`,
      'migrated',
    ],
  ])('that %s gains nothing', async (_, body, outcome) => {
    await evil(`create or replace function look() returns int language plpgsql as $f$ begin
      insert into c_evil.seen values (current_user); return 1; end $f$`)
    await plant(body)
    for (let time = 0; time < 2; time++) {
      expect(outcomes(await migrate())).toEqual(['a migrated', `evil ${outcome}`, 'good migrated'])
      expect(await seen()).toEqual([])
      await plant('')
      expect((await migrate()).ok).toBe(true)
      await plant(body)
    }
  })

  it.each([
    'fetch asked into one',
    'begin fetch asked into one; exception when others then null; end',
    'begin move forward all from asked; exception when others then null; end',
    'begin move last from asked; exception when others then null; end',
    'begin move backward all from asked; exception when others then null; end',
    'begin move relative 0 from asked; move absolute 0 from asked; exception when others then null; end',
  ])('that runs ahead of time what is asked behind it (%s), and then does it, is found', async (early) => {
    await plant(`declare asked refcursor := ''; begin ${early}; end;
    for one in select name from pg_prepared_statements where not from_sql and statement = 'unlisten *' loop
      execute format('deallocate %I', one.name);
      execute format('prepare %I as insert into c_evil.seen values (current_user)', one.name);
    end loop;`)
    expect(outcomes(await migrate())).toEqual(['a migrated', 'evil STATEMENT_REFUSED', 'good migrated'])
    expect(await seen()).toEqual([])
  })

  it('that takes them all away harms itself alone', async () => {
    await plant('deallocate all;')
    expect(outcomes(await migrate())).toEqual(['a migrated', 'evil DATABASE_ERROR', 'good migrated'])
  })

  it('that leaves a trigger for COMMIT is refused, and one that only defers it is not', async () => {
    await plant('insert into later values (2);')
    await evil(`do $do$ begin create table later (id int); create function again() returns trigger language plpgsql as $f$ begin
        insert into c_evil.seen values (current_user);
        if new.id < 3 then set constraints all deferred; insert into c_evil.later values (new.id + 1); end if; return null;
      end $f$;
      create constraint trigger again after insert on later deferrable initially deferred
        for each row execute function again(); end $do$`)
    const refused = await migrate()
    expect(outcomes(refused)).toEqual(['a migrated', 'evil STATEMENT_REFUSED', 'good migrated'])
    expect(refused.tenants.find(({ tenant }) => tenant === 'evil')?.error?.details).toMatchObject({
      table: 'c_evil.later',
    })
    expect(await seen()).toEqual([])
    await plant('insert into later values (3);')
    expect(outcomes(await migrate())).toEqual(['evil migrated', 'a migrated', 'good migrated'].sort())
    expect(await seen()).toEqual([`${world.rolePrefix}evil`])
  })
})
