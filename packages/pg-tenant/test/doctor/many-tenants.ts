import type { World } from '../support/world.ts'

/** Tenants made in one transaction; each takes a few dozen locks. */
const BATCH = 200

/**
 * Tenants as `provision` makes them, copied from one that it made, in a fraction of the time: role, schema, marker,
 * ledger, a table and a view of the tenant's own, and what the registry says.
 *
 * @param model the key of a tenant of level `role` that has one table `notes` and one view `recent`
 */
export async function copyTenants(world: World, model: string, count: number): Promise<void> {
  const { rows } = await world.root.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  const how = (rows[0]?.version ?? 0) >= 160_000 ? ' with inherit false, set true' : ''
  for (let from = 1; from <= count; from += BATCH) {
    const to = Math.min(from + BATCH - 1, count)
    await world.root.query(batch(world, model, from, to, how))
  }
  await world.root.query(`insert into tenancy.tenant (prefix, key, status, isolation, schema_version)
      select prefix, 'm' || n, status, isolation, schema_version
      from tenancy.tenant, generate_series(1, ${count}) n where key = '${model}';
    insert into tenancy.tenant_migration (prefix, key, id, checksum, duration_ms)
      select prefix, 'm' || n, id, checksum, duration_ms
      from tenancy.tenant_migration, generate_series(1, ${count}) n where key = '${model}'`)
  await world.root.query('analyze')
}

const batch = (
  { rolePrefix, adminRole, appRole }: World,
  model: string,
  from: number,
  to: number,
  how: string,
) => `
  do $$ begin
    for n in ${from}..${to} loop
      execute format('
        create role %2$I nologin noinherit;
        grant %2$I to ${appRole}${how};
        grant %2$I to ${adminRole}${how};
        create schema %1$I authorization ${adminRole};
        create table %1$I._tenant_c_ (like c_${model}._tenant_c_ including all);
        insert into %1$I._tenant_c_ (key) values (%3$L);
        create table %1$I._tenant_migration (like c_${model}._tenant_migration including all);
        insert into %1$I._tenant_migration select * from c_${model}._tenant_migration;
        alter table %1$I._tenant_c_ owner to ${adminRole};
        alter table %1$I._tenant_migration owner to ${adminRole};
        grant usage, create on schema %1$I to %2$I;
        grant select on %1$I._tenant_c_ to %2$I;
        set local role %2$I;
        create table %1$I.notes (id bigint primary key, body text not null);
        create view %1$I.recent as select id, body from %1$I.notes where id > 10;
        set local role none',
        'c_m' || n, '${rolePrefix}m' || n, 'm' || n);
    end loop;
  end $$`
