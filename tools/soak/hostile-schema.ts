import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tenancy } from '@org/pg-tenant'

/** Made by planted code that ran with the administrator's rights: nobody else may. */
export const HAD = 'soak_had'

/**
 * What a hostile tenant leaves in its schema for an administrator's call to run (hazard x). In sessions of the application it does
 * nothing: what that may do at level `schema` is no finding.
 *
 * @param application the role that scopes log in with
 * @param others schemas of other tenants
 */
export function plantsOf(application: string, others: readonly string[]): readonly string[] {
  const writes = others.map(
    (
      schema,
    ) => `begin execute $q$ insert into "${schema}".soak_row (tenant, op, part) values ('churn', -1, 0) $q$;
      exception when others then null; end;`,
  )
  return [
    `create or replace function soak_grab() returns void language plpgsql as $f$ begin
      if session_user = '${application}' then return; end if;
      begin perform set_config('role', 'none', true); exception when others then null; end;
      begin execute 'create schema ${HAD}'; exception when others then null; end;
      ${writes.join('\n')}
    end $f$`,
    `create or replace function soak_trap(a int) returns int language plpgsql immutable set search_path from current
      as $f$ begin perform soak_grab(); return a; end $f$`,
    `create or replace function soak_fire() returns trigger language plpgsql as $f$ begin perform soak_grab(); return new; end $f$`,
    'create domain soak_domain as int check (soak_trap(value) is not null)',
    `create table soak_bait (a int default soak_trap(1) check (soak_trap(a) = a), b soak_domain default 1,
      c int generated always as (soak_trap(a)) stored)`,
    'create index on soak_bait (soak_trap(a)) where soak_trap(a) > 0',
    'create trigger soak_fires before insert or update or delete on soak_bait for each row execute function soak_fire()',
    `create constraint trigger soak_fires_late after insert or delete on soak_bait deferrable initially deferred
      for each row execute function soak_fire()`,
    'create materialized view soak_kept as select soak_trap(a) as a from soak_bait',
    'insert into soak_bait default values',
  ]
}

/** Plants it, and has an administrator's calls run it. */
export async function runHostileSchema(
  tenancy: Tenancy,
  key: string,
  plants: readonly string[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'))
  try {
    for (const sql of plants) await tenancy.query(key, sql)
    const to = join(folder, 'archive')
    await tenancy.backup(key, { to })
    await tenancy.export(key, { to: join(folder, 'rows') })
    await tenancy.restore(key, { from: to, force: 'replace' })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
