/**
 * The control schema, step by step; each may run again. Only ever append: programs of the release before go on reading
 * it. Keys of the catalogue are what everything else refers to, so they are the primary keys. `tenant` is a tenant's
 * key: the registry may live elsewhere, so nothing refers to it.
 *
 * Whatever decides about rights has a trigger that gives its tenant (or, for the catalogue, everybody) a new epoch in
 * the same transaction. An epoch is a random id, not a count: a tenant that was dropped and made again, or restored,
 * never comes back to one that some process remembers.
 */
export const CONTROL_STEPS = [
  `create table if not exists catalog_state (
    one boolean constraint pk_catalog_state primary key default true constraint ck_catalog_state_one check (one),
    epoch uuid not null default gen_random_uuid()
  );
  insert into catalog_state default values on conflict do nothing;

  create table if not exists tool (
    key text constraint pk_tool primary key,
    name text not null,
    description text,
    status text not null default 'active' constraint ck_tool_status check (status in ('active', 'deprecated')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create table if not exists tool_action (
    key text constraint pk_tool_action primary key,
    tool_key text not null constraint fk_tool_action_tool_key references tool,
    name text not null,
    description text,
    kind text not null constraint ck_tool_action_kind check (kind in ('read', 'write', 'admin')),
    status text not null default 'active' constraint ck_tool_action_status check (status in ('active', 'deprecated')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create index if not exists idx_tool_action_tool_key on tool_action (tool_key);
  create table if not exists package (
    key text constraint pk_package primary key,
    name text not null,
    description text,
    status text not null default 'active' constraint ck_package_status check (status in ('active', 'deprecated')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create table if not exists package_action (
    package_key text not null constraint fk_package_action_package_key references package on delete cascade,
    action_key text not null constraint fk_package_action_action_key references tool_action,
    constraint pk_package_action primary key (package_key, action_key)
  );
  create index if not exists idx_package_action_action_key on package_action (action_key);
  create table if not exists plan (
    key text constraint pk_plan primary key constraint ck_plan_key check (key ~ '^[a-z][a-z0-9_-]{0,62}$'),
    name text not null,
    max_users bigint constraint ck_plan_max_users check (max_users >= 0),
    max_storage_gb numeric constraint ck_plan_max_storage_gb check (max_storage_gb >= 0),
    max_api_calls bigint constraint ck_plan_max_api_calls check (max_api_calls >= 0),
    limits jsonb not null default '{}' constraint ck_plan_limits check (jsonb_typeof(limits) = 'object'),
    features jsonb not null default '[]' constraint ck_plan_features check (jsonb_typeof(features) = 'array'),
    price numeric(12, 2),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );

  create table if not exists tenant_entitlement (
    tenant text constraint pk_tenant_entitlement primary key,
    epoch uuid not null default gen_random_uuid(),
    plan_key text constraint fk_tenant_entitlement_plan_key references plan,
    limits jsonb not null default '{}' constraint ck_tenant_entitlement_limits check (jsonb_typeof(limits) = 'object'),
    flags jsonb not null default '{}' constraint ck_tenant_entitlement_flags check (jsonb_typeof(flags) = 'object'),
    seeded_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create index if not exists idx_tenant_entitlement_plan_key on tenant_entitlement (plan_key);
  create table if not exists tenant_package (
    tenant text not null constraint fk_tenant_package_tenant references tenant_entitlement on delete cascade,
    package_key text not null constraint fk_tenant_package_package_key references package,
    status text not null default 'active' constraint ck_tenant_package_status check (status in ('active', 'suspended')),
    suspended_reason text,
    assigned_at timestamptz not null default now() constraint ck_tenant_package_assigned_at check (isfinite(assigned_at)),
    expires_at timestamptz constraint ck_tenant_package_expires_at check (isfinite(expires_at)),
    updated_at timestamptz not null default now(),
    constraint pk_tenant_package primary key (tenant, package_key)
  );
  create index if not exists idx_tenant_package_package_key on tenant_package (package_key);
  create table if not exists tenant_tool_override (
    id uuid constraint pk_tenant_tool_override primary key default gen_random_uuid(),
    tenant text not null constraint fk_tenant_tool_override_tenant references tenant_entitlement on delete cascade,
    tool_key text constraint fk_tenant_tool_override_tool_key references tool,
    action_key text constraint fk_tenant_tool_override_action_key references tool_action,
    effect text constraint ck_tenant_tool_override_effect check (effect in ('allow', 'deny')),
    limits jsonb constraint ck_tenant_tool_override_limits check (jsonb_typeof(limits) = 'object'),
    flags jsonb constraint ck_tenant_tool_override_flags check (jsonb_typeof(flags) = 'object'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint ck_tenant_tool_override_target check (num_nonnulls(tool_key, action_key) = 1),
    constraint uq_tenant_tool_override_tenant_target unique nulls not distinct (tenant, tool_key, action_key)
  );
  create index if not exists idx_tenant_tool_override_tool_key on tenant_tool_override (tool_key);
  create index if not exists idx_tenant_tool_override_action_key on tenant_tool_override (action_key);
  create table if not exists tenant_resource (
    tenant text not null constraint fk_tenant_resource_tenant references tenant_entitlement on delete cascade,
    resource_type text not null,
    used numeric not null default 0 constraint ck_tenant_resource_used check (used >= 0),
    limit_value numeric constraint ck_tenant_resource_limit_value check (limit_value >= 0),
    updated_at timestamptz not null default now(),
    constraint pk_tenant_resource primary key (tenant, resource_type)
  );

  create or replace function rbac_catalog_changed() returns trigger language plpgsql as $fn$
  begin
    execute format('update %I.catalog_state set epoch = gen_random_uuid()', tg_table_schema);
    return null;
  end $fn$;
  create or replace trigger trg_tool_epoch before insert or update or delete or truncate on tool
    execute function rbac_catalog_changed();
  create or replace trigger trg_tool_action_epoch before insert or update or delete or truncate on tool_action
    execute function rbac_catalog_changed();
  create or replace trigger trg_package_epoch before insert or update or delete or truncate on package
    execute function rbac_catalog_changed();
  create or replace trigger trg_package_action_epoch before insert or update or delete or truncate on package_action
    execute function rbac_catalog_changed();
  create or replace trigger trg_plan_epoch before insert or update or delete or truncate on plan
    execute function rbac_catalog_changed();

  create or replace function rbac_entitlement_changed() returns trigger language plpgsql as $fn$
  begin
    new.epoch := gen_random_uuid();
    new.updated_at := now();
    return new;
  end $fn$;
  create or replace trigger trg_tenant_entitlement_epoch before update on tenant_entitlement
    for each row execute function rbac_entitlement_changed();

  create or replace function rbac_tenant_changed() returns trigger language plpgsql as $fn$
  begin
    if tg_op <> 'INSERT' then
      execute format('update %I.tenant_entitlement set epoch = gen_random_uuid() where tenant = $1', tg_table_schema)
        using old.tenant;
    end if;
    if tg_op = 'DELETE' then return old; end if;
    execute format('insert into %I.tenant_entitlement as e (tenant) values ($1)
      on conflict (tenant) do update set epoch = gen_random_uuid()', tg_table_schema) using new.tenant;
    return new;
  end $fn$;
  create or replace trigger trg_tenant_package_epoch before insert or update or delete on tenant_package
    for each row execute function rbac_tenant_changed();
  create or replace trigger trg_tenant_tool_override_epoch before insert or update or delete on tenant_tool_override
    for each row execute function rbac_tenant_changed();
  create or replace trigger trg_tenant_package_truncate before truncate on tenant_package
    execute function rbac_catalog_changed();
  create or replace trigger trg_tenant_tool_override_truncate before truncate on tenant_tool_override
    execute function rbac_catalog_changed();
  create or replace trigger trg_tenant_entitlement_truncate before truncate on tenant_entitlement
    execute function rbac_catalog_changed();

  create or replace function rbac_catalog() returns jsonb language sql stable as $fn$
    select jsonb_build_object(
      'tools', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'name', name, 'description', description,
          'status', status) order by key), '[]') from tool),
      'actions', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'name', name, 'description', description,
          'status', status, 'tool', tool_key, 'kind', kind) order by key), '[]') from tool_action),
      'packages', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'name', name, 'description', description,
          'status', status) order by key), '[]') from package),
      'packageActions', (select coalesce(jsonb_agg(jsonb_build_object('package', package_key, 'action', action_key)
          order by package_key, action_key), '[]') from package_action))
  $fn$;

  create or replace function rbac_sync_catalog(defined jsonb, keep_packages boolean) returns jsonb language plpgsql as $fn$
  declare
    stored jsonb;
  begin
    perform 1 from catalog_state for update;
    stored := rbac_catalog();
    insert into tool as t (key, name, description, status)
      select key, name, description, status
      from jsonb_to_recordset(defined->'tools') as d(key text, name text, description text, status text)
      on conflict (key) do update set name = excluded.name, description = excluded.description,
        status = excluded.status, updated_at = now()
      where (t.name, t.description, t.status) is distinct from (excluded.name, excluded.description, excluded.status);
    insert into tool_action as t (key, tool_key, name, description, kind, status)
      select key, tool, name, description, kind, status
      from jsonb_to_recordset(defined->'actions')
        as d(key text, tool text, name text, description text, kind text, status text)
      on conflict (key) do update set name = excluded.name, description = excluded.description, kind = excluded.kind,
        status = excluded.status, updated_at = now()
      where (t.name, t.description, t.kind, t.status)
        is distinct from (excluded.name, excluded.description, excluded.kind, excluded.status);
    insert into package as t (key, name, description, status)
      select key, name, description, status
      from jsonb_to_recordset(defined->'packages') as d(key text, name text, description text, status text)
      on conflict (key) do update set name = excluded.name, description = excluded.description,
        status = excluded.status, updated_at = now()
      where (t.name, t.description, t.status) is distinct from (excluded.name, excluded.description, excluded.status);
    delete from package_action p
      where not keep_packages
        and not exists (select from jsonb_to_recordset(defined->'packageActions') as d(package text, action text)
          where d.package = p.package_key and d.action = p.action_key);
    insert into package_action (package_key, action_key)
      select d.package, d.action from jsonb_to_recordset(defined->'packageActions') as d(package text, action text)
      where not keep_packages
        or not exists (select from jsonb_to_recordset(stored->'packages') as s(key text) where s.key = d.package)
      on conflict do nothing;
    update tool t set status = 'deprecated', updated_at = now() where t.status <> 'deprecated' and not keep_packages
      and not exists (select from jsonb_to_recordset(defined->'tools') as d(key text) where d.key = t.key);
    update tool_action t set status = 'deprecated', updated_at = now() where t.status <> 'deprecated' and not keep_packages
      and not exists (select from jsonb_to_recordset(defined->'actions') as d(key text) where d.key = t.key);
    update package t set status = 'deprecated', updated_at = now() where t.status <> 'deprecated' and not keep_packages
      and not exists (select from jsonb_to_recordset(defined->'packages') as d(key text) where d.key = t.key);
    return stored;
  end $fn$`,
] as const

/** Who writes: the program's own pool. Never a tenant's role. */
export const CONTROL_TABLES = [
  'catalog_state',
  'tool',
  'tool_action',
  'package',
  'package_action',
  'plan',
  'tenant_entitlement',
  'tenant_package',
  'tenant_tool_override',
  'tenant_resource',
] as const
