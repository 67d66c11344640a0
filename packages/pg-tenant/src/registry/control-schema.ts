import { TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { ownersAlone } from '../sql/owners-alone.ts'
import { CREATE_LEAVE, grantLeave } from './leave-function.ts'

/** A row for each name that is locked at times; see locks.ts. */
export const WORK_LOCK = 'work_lock'

/**
 * The control schema, step by step; each runs once, with the control schema as its search path. Only ever append:
 * programs of the release before go on reading it (expand, then contract).
 */
const STEPS = [
  `create table tenant (
    prefix text not null,
    key text not null,
    status text not null default 'provisioning'
      constraint ck_tenant_status check (status in ('provisioning', 'active', 'suspended', 'deleting', 'deleted')),
    suspended_reason text,
    isolation text not null,
    plan text,
    placement text not null default 'default',
    schema_version text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (prefix, key)
  );
  create index idx_tenant_updated_at on tenant (updated_at);
  create table tenant_migration (
    prefix text not null,
    key text not null,
    id text not null,
    checksum text not null,
    applied_at timestamptz not null default now(),
    duration_ms integer not null,
    applied_by text not null default session_user,
    primary key (prefix, key, id),
    constraint fk_tenant_migration_key foreign key (prefix, key) references tenant
  );
  create index idx_tenant_migration_id on tenant_migration (prefix, id)`,
  `create table tenant_credential (
    prefix text not null,
    key text not null,
    role text not null,
    sealed text,
    created_at timestamptz not null default now(),
    rotated_at timestamptz,
    primary key (prefix, key),
    constraint fk_tenant_credential_key foreign key (prefix, key) references tenant
  )`,
  // The last two were made where they were needed, before there was a step for them.
  `alter table tenant drop constraint ck_tenant_status, add constraint ck_tenant_status
    check (status in ('ready', 'provisioning', 'active', 'suspended', 'deleting', 'deleted'));
  create index idx_tenant_ready on tenant (prefix, isolation, created_at) where status = 'ready';
  create table if not exists tenant_migration_run (
    prefix text not null,
    key text not null,
    id text not null,
    checksum text not null,
    started integer not null default 0,
    done integer not null default 0,
    started_at timestamptz not null default now(),
    started_by text not null default session_user,
    primary key (prefix, key, id),
    constraint fk_tenant_migration_run_key foreign key (prefix, key) references tenant
  );
  create table if not exists tenant_offboarding (
    prefix text not null,
    key text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    state jsonb not null,
    primary key (prefix, key, started_at)
  )`,
  // Nobody reads by it, and with it every new version or status of a tenant was a new entry in each index. Now such an
  // update stays on its page (HOT, manual 66.7), which has room for it.
  `drop index if exists idx_tenant_updated_at;
  alter table tenant set (fillfactor = 80)`,
  `create table if not exists ${WORK_LOCK} (name text primary key)`,
  // Names that are not made of prefix and key; null is made of them. No two tenants have one schema, role or database.
  `alter table tenant add column schema_name text, add column role_name text, add column database_name text;
  create unique index idx_tenant_schema_name on tenant (schema_name, (coalesce(database_name, case isolation when 'database' then key end, '')))
    where schema_name is not null;
  create unique index idx_tenant_role_name on tenant (role_name) where role_name is not null;
  create unique index idx_tenant_database_name on tenant (database_name) where database_name is not null`,
  // Pages of \`list\` are in the byte order of keys, whatever the database sorts by.
  `alter table tenant drop constraint ck_tenant_status, add constraint ck_tenant_status check (status in
      ('ready', 'provisioning', 'active', 'suspended', 'moving', 'arriving', 'moved', 'deleting', 'deleted'));
  create index if not exists idx_tenant_prefix_key on tenant (prefix, key collate "C");
  create table if not exists tenant_move (
    prefix text not null,
    key text not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    state jsonb not null,
    primary key (prefix, key, started_at)
  );
  create unique index if not exists idx_tenant_move_open on tenant_move (prefix, key) where finished_at is null`,
  // Tenants that were there before: what was theirs, and whose, until somebody confirms that it is to stay as it is now.
  `create table if not exists tenant_adoption (
    prefix text not null,
    key text not null,
    adopted_at timestamptz not null default now(),
    adopted_by text not null default session_user,
    before jsonb not null,
    primary key (prefix, key),
    constraint fk_tenant_adoption_key foreign key (prefix, key) references tenant
  )`,
  CREATE_LEAVE,
  // Where a tenant comes to: which run of which move may touch what there is of it until it is opened.
  `create table if not exists tenant_arrival (
    prefix text not null,
    key text not null,
    run text not null,
    primary key (prefix, key)
  )`,
] as const

/** The tables that these steps make, and the one that counts them. */
export const REGISTRY_TABLES: readonly string[] = [
  'control_version',
  ...STEPS.flatMap((step) =>
    [...step.matchAll(/create table (?:if not exists )?(\w+)/g)].map(([, name = '']) => name),
  ),
]

/**
 * Creates the control schema or brings it up to date, and lets the application read who is suspended: in the transaction
 * of `admin`. Where all is there nothing is locked, so nobody can be in the way of a process that starts.
 *
 * @throws TenancyError CONFLICT when a newer release has been here; DATABASE_ERROR (23505, 42P06, 42P07) when somebody else
 *   creates it right now: run it again
 */
export async function ensureControlSchema(admin: Admin, name: string, application: string): Promise<void> {
  const version = await versionOf(admin, name)
  if (version === STEPS.length && (await mayRead(admin, name, application))) return
  const [schema, versions] = [quoteIdentifier(name), qualify(name, 'control_version')]
  const before = new Set(await tablesIn(admin, name))
  if (version === undefined) {
    await admin.run(`create schema if not exists ${schema}; revoke all on schema ${schema} from public;
      create table ${versions} (version integer primary key, applied_at timestamptz not null default now())`)
  } else await admin.run(`lock table ${versions} in share row exclusive mode`)
  const found = (await versionOf(admin, name)) ?? 0
  if (found > STEPS.length) {
    throw new TenancyError(
      'CONFLICT',
      'The control schema was made by a newer release of @org/pg-tenant. Deploy that release here too.',
      { details: { schema: name, version: found } },
    )
  }
  for (const [index, step] of STEPS.entries()) {
    if (index < found) continue
    await admin.run(
      `set local search_path to ${schema}, pg_temp; ${step}; set local search_path to ${OWN_PATH}`,
    )
    await admin.run(`insert into ${versions} (version) values ($1)`, [index + 1])
  }
  const made = (await tablesIn(admin, name)).filter((table) => !before.has(table))
  // guard: ae: what default privileges of the administrator give of the registry
  await admin.run(ownersAlone(made.map((table) => qualify(name, table))))
  const reader = quoteIdentifier(application)
  await admin.run(`grant usage on schema ${schema} to ${reader};
    grant select on ${qualify(name, 'tenant')}, ${qualify(name, 'tenant_credential')} to ${reader};
    ${grantLeave(name, reader)}`)
}

async function tablesIn(admin: Admin, schema: string): Promise<string[]> {
  const sql = `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r'`
  return (await admin.run(sql, [schema])).map(({ name }) => String(name))
}

/** Whether any tenancy with this control schema was in the database before. */
export async function hasControlSchema(admin: Admin, name: string): Promise<boolean> {
  return (await versionOf(admin, name)) !== undefined
}

/** `undefined` where there is no control schema. */
async function versionOf(admin: Admin, name: string): Promise<number | undefined> {
  const versions = qualify(name, 'control_version')
  const [found] = await admin.run('select to_regclass($1) is not null as there', [versions])
  if (!found?.there) return undefined
  const [row] = await admin.run(`select coalesce(max(version), 0) as version from ${versions}`)
  return Number(row?.version)
}

const MAY_READ = `select has_schema_privilege($1, $2, 'usage')
  and has_table_privilege($1, $3, 'select') and has_table_privilege($1, $4, 'select') as may`

async function mayRead(admin: Admin, name: string, application: string): Promise<boolean> {
  const tables = ['tenant', 'tenant_credential'].map((table) => qualify(name, table))
  const [row] = await admin.run(MAY_READ, [application, name, ...tables])
  return row?.may === true
}
