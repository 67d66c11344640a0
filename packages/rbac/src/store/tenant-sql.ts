import type { Migration } from '@org/core'

/** What differs between a schema for each tenant and tables that tenants share. */
interface Shape {
  /** The tenant column of a shared table, with its comma; nothing in a schema of its own. */
  readonly column: string
  /** Before the columns of keys. */
  readonly key: string
  readonly suffix: string
  readonly epochKey: string
  readonly epochColumn: string
  /** Whose work is not guarded. */
  readonly unlessTenant: string
  readonly firstEpoch: string
  readonly noRow: string
}

const OWN: Shape = {
  column: '',
  key: '',
  suffix: '',
  epochColumn: 'one boolean not null default true constraint ck_rbac_epoch_one check (one),',
  epochKey: 'one',
  unlessTenant: '',
  firstEpoch: 'insert into rbac_epoch default values;',
  noRow: '',
}

// Where no tenant is set, an administrator is at work on all of them; the tables' owner is one who removes a tenant.
const NO_TENANT = `coalesce(current_setting('app.tenant_id', true), '') = ''
    or pg_has_role((select relowner from pg_class where oid = tg_relid), 'usage')`

const SHARED: Shape = {
  column: `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),`,
  key: 'tenant_id, ',
  suffix: 'tenant_id_',
  epochColumn: `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),`,
  epochKey: 'tenant_id',
  unlessTenant: `if ${NO_TENANT} then return null; end if;`,
  firstEpoch: '',
  noRow: `if not found_row and not (${NO_TENANT}) then
      execute format('insert into %I.rbac_epoch default values
        on conflict on constraint pk_rbac_epoch do update set epoch = gen_random_uuid()', tg_table_schema);
    end if;`,
}

/**
 * Users, groups, memberships and grants of a tenant, as its schema holds them. `administration` of `rbac_epoch` are the
 * actions that make somebody an administrator; `administered` whether there is one.
 */
export const RBAC_MIGRATION: Migration = { id: 'rbac_0001_identity', sql: identitySql(OWN) }

/** The same for isolation level `row`: every key begins with `tenant_id`. */
export const RBAC_ROW_MIGRATION: Migration = { id: 'rbac_0001_identity_row', sql: identitySql(SHARED) }

/**
 * Makes changes of API keys count for the tenant's epoch, for a store with `apiKeys`. Behind the migration that makes
 * `api_key` (`@org/crypto`). That a key was used is no change.
 */
export const RBAC_API_KEY_MIGRATION: Migration = {
  id: 'rbac_0002_api_key_epoch',
  sql: `create trigger trg_api_key_epoch
  before insert or delete or truncate or update of profile, actions, status, expires_at, name on api_key
  for each statement execute function rbac_touch();`,
}

function identitySql({ column, key, suffix, epochColumn, epochKey, ...shape }: Shape): string {
  return `create table rbac_epoch (
  ${epochColumn}
  epoch uuid not null default gen_random_uuid(),
  administration text[] not null default '{}',
  administered boolean not null default false,
  updated_at timestamptz not null default now(),
  constraint pk_rbac_epoch primary key (${epochKey})
);
${shape.firstEpoch}

create table "user" (
  ${column}
  id uuid not null default gen_random_uuid(),
  email text not null,
  name text not null,
  status text not null default 'active',
  suspended_reason text,
  auth_provider text not null default 'password',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint pk_user primary key (${key}id),
  constraint ck_user_status check (status in ('active', 'suspended')),
  constraint ck_user_email check (char_length(email) between 3 and 320)
);
create unique index idx_user_${suffix}email on "user" (${key}lower(email)) where deleted_at is null;
create index idx_user_${suffix}created_at_id on "user" (${key}created_at, id);

create table "group" (
  ${column}
  id uuid not null default gen_random_uuid(),
  name text not null,
  description text,
  status text not null default 'active',
  suspended_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint pk_group primary key (${key}id),
  constraint ck_group_status check (status in ('active', 'suspended')),
  constraint ck_group_name check (char_length(name) between 1 and 200)
);
create unique index idx_group_${suffix}name on "group" (${key}name) where deleted_at is null;

create table user_group (
  ${column}
  user_id uuid not null,
  group_id uuid not null,
  created_at timestamptz not null default now(),
  constraint pk_user_group primary key (${key}user_id, group_id),
  constraint fk_user_group_user_id foreign key (${key}user_id) references "user" on delete cascade,
  constraint fk_user_group_group_id foreign key (${key}group_id) references "group" on delete cascade
);
create index idx_user_group_${suffix}group_id on user_group (${key}group_id);

create table group_permission (
  ${column}
  id uuid not null default gen_random_uuid(),
  group_id uuid not null,
  tool_action text not null,
  effect text not null default 'allow',
  constraints jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_group_permission primary key (${key}id),
  constraint uq_group_permission_group_id_tool_action unique (${key}group_id, tool_action),
  constraint fk_group_permission_group_id foreign key (${key}group_id) references "group" on delete cascade,
  constraint ck_group_permission_tool_action check (
    tool_action ~ '^[a-z][a-z0-9_]{0,49}(\\.\\*|(\\.[a-z][a-z0-9_]{0,49}){2})$'
  ),
  constraint ck_group_permission_effect check (effect in ('allow', 'deny')),
  constraint ck_group_permission_constraints check (
    constraints is null or (jsonb_typeof(constraints) = 'object' and constraints <> '{}'
      and octet_length(constraints::text) <= 65536)
  )
);

-- Before the statement: this row's lock is the first a change takes, so changes of one tenant run one after the other
-- and none of them deadlocks with another.
create function rbac_touch() returns trigger language plpgsql as $fn$
declare
  found_row boolean;
  touched bigint;
begin
  execute format('update %I.rbac_epoch set epoch = gen_random_uuid(), updated_at = now()', tg_table_schema);
  get diagnostics touched = row_count;
  found_row := touched > 0;
  ${shape.noRow}
  return null;
end $fn$;

create function rbac_keep_administrator() returns trigger language plpgsql as $fn$
declare
  required text[];
  before boolean;
  after boolean;
begin
  ${shape.unlessTenant}
  execute format('select administration, administered from %I.rbac_epoch', tg_table_schema) into required, before;
  if coalesce(cardinality(required), 0) = 0 then return null; end if;
  execute format($q$
    select exists (
      select from %1$I."user" u
      where u.status = 'active' and u.deleted_at is null
        and not exists (
          select from unnest($1) as needed(action)
          where not exists (
            select from %1$I.user_group m
            join %1$I."group" g on g.id = m.group_id and g.status = 'active' and g.deleted_at is null
            join %1$I.group_permission p on p.group_id = g.id
            where m.user_id = u.id and p.effect = 'allow' and p.constraints is null
              and p.tool_action in (needed.action, split_part(needed.action, '.', 1) || '.*'))
          or exists (
            select from %1$I.user_group m
            join %1$I."group" g on g.id = m.group_id and g.status = 'active' and g.deleted_at is null
            join %1$I.group_permission p on p.group_id = g.id
            where m.user_id = u.id and p.effect = 'deny'
              and p.tool_action in (needed.action, split_part(needed.action, '.', 1) || '.*'))))
  $q$, tg_table_schema) into after using required;
  if before and not after then
    raise exception 'the last administrator of the tenant would be gone'
      using errcode = 'check_violation', constraint = 'ck_last_administrator', table = tg_table_name;
  end if;
  if before is distinct from after then
    execute format('update %I.rbac_epoch set administered = $1', tg_table_schema) using after;
  end if;
  return null;
end $fn$;

${['user', 'group', 'user_group', 'group_permission'].map(triggersOf).join('\n')}`
}

function triggersOf(table: string): string {
  return `create trigger trg_${table}_epoch before insert or update or delete or truncate
  on "${table}" for each statement execute function rbac_touch();
create trigger trg_${table}_administrator after insert or update or delete or truncate
  on "${table}" for each statement execute function rbac_keep_administrator();`
}
