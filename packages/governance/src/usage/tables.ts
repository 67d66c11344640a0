import type { Queryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { rolesOf } from '../input/input.ts'
import { insertOnly, LEVEL_OPTIONS, type LevelOptions, readableBy, writersOf } from '../levels/identity.ts'
import { requireOutsiders } from '../levels/outsiders.ts'
import { policy, rowSecurity } from '../levels/policy.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

export interface InstallUsageOptions extends LevelOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `governance`). */
  readonly controlSchema?: string | undefined
  /** Roles that may read everybody's usage and limits. Not one that SQL of a tenant can become. */
  readonly readers?: readonly string[] | undefined
  /** Roles that may set limits and lease API calls; they may read as well. The same is true of them. */
  readonly managers?: readonly string[] | undefined
}

/**
 * A delta is written once for each request, action and part, and never changed: rolling up moves a position past it. Used
 * places are counted by triggers, which run with the administrator's rights on rows whose tenant the policy has checked
 * before; what is given back is named by a token that only the application can make, so that a tenant's SQL cannot free
 * places. Neither trigger touches anything but tables of this schema, by a path that is pinned.
 *
 * @internal
 */
export const STEPS: readonly string[] = [
  `create table usage_delta (
    tenant text not null,
    request_id text not null constraint ck_usage_delta_request_id check (octet_length(request_id) between 1 and 200),
    action text not null constraint ck_usage_delta_action check (octet_length(action) between 1 and 200),
    part integer not null default 0,
    amount bigint not null default 1 constraint ck_usage_delta_amount check (amount between 1 and 1000000000000),
    at timestamptz not null default now(),
    xid xid8 not null default pg_current_xact_id(),
    constraint pk_usage_delta primary key (tenant, request_id, action, part)
  );
  create index idx_usage_delta_xid on usage_delta (xid);
  create table usage_cursor (
    one boolean constraint pk_usage_cursor primary key default true constraint ck_usage_cursor_one check (one),
    upto xid8 not null default '0'
  );
  insert into usage_cursor default values;
  create table usage_metrics (
    tenant text not null,
    tool_action text not null,
    period_start timestamptz not null,
    period_end timestamptz not null,
    count numeric not null,
    updated_at timestamptz not null default now(),
    constraint pk_usage_metrics primary key (tenant, period_start, tool_action)
  );
  create index idx_usage_metrics_period_start on usage_metrics (period_start);
  create table tenant_resource (
    tenant text not null,
    resource_type text not null constraint ck_tenant_resource_type check (octet_length(resource_type) between 1 and 200),
    used numeric not null default 0 constraint ck_tenant_resource_used check (used >= 0),
    limit_value numeric constraint ck_tenant_resource_limit_value check (limit_value >= 0),
    period_start timestamptz,
    updated_at timestamptz not null default now(),
    constraint pk_tenant_resource primary key (tenant, resource_type)
  ) with (fillfactor = 70);
  create table resource_hold (
    tenant text not null,
    resource_type text not null,
    token bytea not null constraint ck_resource_hold_token check (octet_length(token) = 32),
    amount numeric not null constraint ck_resource_hold_amount check (amount > 0 and amount < 1e15),
    constraint pk_resource_hold primary key (tenant, resource_type, token)
  );
  create table resource_return (
    tenant text not null,
    resource_type text not null,
    token bytea not null
  );
  create function resource_taken() returns trigger language plpgsql security definer set search_path from current as $fn$
  begin
    insert into tenant_resource (tenant, resource_type) values (new.tenant, new.resource_type) on conflict do nothing;
    update tenant_resource r set used = r.used + new.amount, updated_at = now()
      where r.tenant = new.tenant and r.resource_type = new.resource_type
        and (r.limit_value is null or r.used + new.amount <= r.limit_value);
    if not found then
      raise exception 'the limit of the resource is reached'
        using errcode = 'check_violation', constraint = 'ck_tenant_resource_limit', table = 'tenant_resource';
    end if;
    return null;
  end $fn$;
  create function resource_returned() returns trigger language plpgsql security definer set search_path from current as $fn$
  declare
    freed numeric;
  begin
    delete from resource_return r where r.tenant = new.tenant and r.resource_type = new.resource_type and r.token = new.token;
    delete from resource_hold h where h.tenant = new.tenant and h.resource_type = new.resource_type and h.token = new.token
      returning h.amount into freed;
    if freed is not null then
      update tenant_resource r set used = greatest(r.used - freed, 0), updated_at = now()
        where r.tenant = new.tenant and r.resource_type = new.resource_type;
    end if;
    return null;
  end $fn$;
  revoke all on function resource_taken(), resource_returned() from public;
  create trigger trg_resource_hold_taken after insert on resource_hold for each row execute function resource_taken();
  create trigger trg_resource_return_returned after insert on resource_return for each row
    execute function resource_returned();`,
  // The policy of those who write says it.
  `alter table usage_delta drop constraint ck_usage_delta_request_id, drop constraint ck_usage_delta_action,
    drop constraint ck_usage_delta_amount`,
]

const int = (column: string, low: number, high: number) =>
  `${column} operator(pg_catalog.>=) ${low} and ${column} operator(pg_catalog.<=) ${high}`
const A_USE = [
  int('pg_catalog.octet_length(request_id)', 1, 200),
  int('pg_catalog.octet_length(action)', 1, 200),
  int('amount', 1, 1_000_000_000_000),
].join(' and ')

const READ = ['usage_metrics', 'tenant_resource', 'usage_delta', 'usage_cursor'] as const

const INSTALL_USAGE_OPTIONS: OptionNames<InstallUsageOptions> = {
  controlSchema: true,
  readers: true,
  managers: true,
  ...LEVEL_OPTIONS,
}

/**
 * Creates the tables of usage and limits, or brings them up to date; may be repeated, also by several at once. At level
 * `database` once in each tenant's database.
 *
 * @param admin a pool or client of the administrator, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installUsage } from '@org/governance/usage'
 *
 * await installUsage(adminPool, { isolation: tenancy.isolation, rolePrefix }) // readers, managers: ['hub']
 * ```
 */
export async function installUsage(admin: Queryable, options: InstallUsageOptions = {}): Promise<void> {
  requireKnownOptions(options, INSTALL_USAGE_OPTIONS)
  const schema = parseControlSchema(options.controlSchema)
  const managers = rolesOf(options.managers, 'managers')
  const readers = [...new Set([...rolesOf(options.readers, 'readers'), ...managers])]
  const writers = writersOf(options)
  const write = (table: string, columns: readonly string[], also?: string) =>
    insertOnly(schema, table, columns, writers, readers, { ...(also && { also }) })
  await requireOutsiders(admin, options, { readers, managers })
  await installControl(admin, schema, {
    part: 'usage',
    steps: STEPS,
    always: [
      ...write('usage_delta', ['tenant', 'request_id', 'action', 'part', 'amount'], A_USE),
      ...write('resource_hold', ['tenant', 'resource_type', 'token', 'amount']),
      ...write('resource_return', ['tenant', 'resource_type', 'token']),
      ...['usage_metrics', 'tenant_resource', 'usage_cursor'].flatMap((table) => [
        rowSecurity(table),
        ...readableBy(schema, table, readers),
      ]),
      ...managers
        .map(quoteIdentifier)
        .flatMap((role) => [
          `grant select on ${READ.join(', ')} to ${role}`,
          `grant insert, update on tenant_resource to ${role}`,
        ]),
      managers.length === 0
        ? 'drop policy if exists managers on tenant_resource'
        : policy(
            'tenant_resource',
            'managers',
            'all',
            managers.map(quoteIdentifier),
            'using (true) with check (true)',
          ),
    ],
  })
}
