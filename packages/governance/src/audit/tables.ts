import type { Queryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { rolesOf } from '../input/input.ts'
import {
  insertableBy,
  insertOnly,
  LEVEL_OPTIONS,
  type LevelOptions,
  readableBy,
  writersOf,
} from '../levels/identity.ts'
import { requireOutsiders } from '../levels/outsiders.ts'
import { rowSecurity } from '../levels/policy.ts'
import { makePartitions, type PartitionedTable } from '../partitions/partitions.ts'

export interface InstallAuditOptions extends LevelOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `governance`). */
  readonly controlSchema?: string | undefined
  /**
   * Roles that may read every tenant's entries: the hub's that answers `GET /v1/audit-logs`, an auditor's. Not the role of
   * the application at levels `schema`, `role` and `row`: SQL that a tenant sends runs as it, or can go back to being it.
   */
  readonly readers?: readonly string[] | undefined
  /**
   * Roles that may add entries in every tenant's name: the hub's own, for what operators do to tenants from outside. The same
   * is true of them.
   */
  readonly operators?: readonly string[] | undefined
}

/** @internal The table of entries, for the upkeep of its partitions. */
export const AUDIT_LOG: PartitionedTable = { table: 'audit_log', period: 'month' }

/** What a tenant's transaction may write. `created_at` and `xid` are the server's: they say where an entry stands. */
export const WRITTEN = [
  'id',
  'tenant',
  'actor_type',
  'actor_id',
  'action',
  'entity_type',
  'entity_id',
  'request_id',
  'changes',
  'metadata',
  'personal',
  'mac',
] as const

/**
 * `xid` and `id` say in which order entries are sealed: below the oldest running transaction nothing can come in between any
 * more, which no sequence or clock can promise. A seal keeps ids and leaves, so that it can say *which* entry is not as it
 * was. `audit_horizon` says up to when entries were removed by retention.
 *
 * @internal
 */
export const STEPS: readonly string[] = [
  `create table audit_log (
    id uuid not null,
    tenant text not null,
    xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default clock_timestamp(),
    actor_type text not null constraint ck_audit_log_actor_type
      check (actor_type in ('user', 'service', 'operator', 'system', 'anonymous')),
    actor_id text,
    action text not null,
    entity_type text,
    entity_id text,
    request_id text,
    changes jsonb,
    metadata jsonb,
    personal text,
    mac text not null,
    constraint pk_audit_log primary key (tenant, created_at, id)
  ) partition by range (created_at);
  create index idx_audit_log_xid_id on audit_log (xid, id);
  create index idx_audit_log_tenant_entity on audit_log (tenant, entity_type, entity_id, created_at)
    where entity_id is not null;
  create index idx_audit_log_tenant_actor_id on audit_log (tenant, actor_id, created_at) where actor_id is not null;
  create table audit_seal (
    tenant text not null,
    number bigint not null constraint ck_audit_seal_number check (number > 0),
    entries integer not null,
    ids uuid[] not null,
    leaves bytea not null,
    since timestamptz not null,
    until timestamptz not null,
    root bytea not null,
    previous bytea not null,
    digest bytea not null,
    mac text not null,
    sealed_at timestamptz not null default now(),
    constraint pk_audit_seal primary key (tenant, number)
  );
  create table audit_sealer (
    one boolean constraint pk_audit_sealer primary key default true constraint ck_audit_sealer_one check (one),
    xid xid8 not null default '0',
    id uuid not null default '00000000-0000-0000-0000-000000000000'
  );
  insert into audit_sealer default values;
  create table audit_horizon (
    before timestamptz not null,
    except_tenants text[] not null default '{}',
    mac text not null,
    created_at timestamptz not null default now(),
    constraint pk_audit_horizon primary key (before, mac)
  );`,
  // The policy of those who write says it.
  `alter table audit_log drop constraint ck_audit_log_actor_type`,
  // On a server that numbers transactions otherwise an entry gets another place; the seal holds the one it was sealed at.
  `alter table audit_log add column sealed_xid xid8`,
]

/** More than any entry of ours has. Whoever seals and reads them all must not be stopped by one that somebody made by hand. */
const MAX_ENTRY = 2_097_152
const WORDS = WRITTEN.filter((name) => !['id', 'tenant', 'actor_type'].includes(name))

/** What a tenant's transaction says of who did it, and how much. */
const OF_A_SIZE = `pg_catalog.octet_length(pg_catalog.concat(${WORDS.join(', ')})) operator(pg_catalog.<=) ${MAX_ENTRY}`
const OF_A_KIND = `actor_type operator(pg_catalog.=) any ('{user,service,operator,system,anonymous}'::pg_catalog.text[])`

const INSTALL_AUDIT_OPTIONS: OptionNames<InstallAuditOptions> = {
  controlSchema: true,
  readers: true,
  operators: true,
  ...LEVEL_OPTIONS,
}

/**
 * Creates the tables of the audit log, or brings them up to date; may be repeated, also by several at once. At level
 * `database` once in each tenant's database, as its administrator.
 *
 * @param admin a pool or client of the administrator, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installAudit } from '@org/governance/audit'
 *
 * await installAudit(adminPool, { isolation: tenancy.isolation, rolePrefix }) // readers: ['hub']
 * ```
 */
export async function installAudit(admin: Queryable, options: InstallAuditOptions = {}): Promise<void> {
  requireKnownOptions(options, INSTALL_AUDIT_OPTIONS)
  const schema = parseControlSchema(options.controlSchema)
  const readers = rolesOf(options.readers, 'readers')
  const operators = rolesOf(options.operators, 'operators')
  const writers = writersOf(options)
  await requireOutsiders(admin, options, { readers, operators })
  await installControl(admin, schema, {
    part: 'audit',
    steps: STEPS,
    always: [
      makePartitions(schema, AUDIT_LOG),
      ...insertOnly(schema, 'audit_log', WRITTEN, writers, readers, {
        also: `${OF_A_KIND} and ${OF_A_SIZE}`,
      }),
      ...insertableBy(schema, 'audit_log', WRITTEN, writers, operators),
      ...['audit_seal', 'audit_sealer', 'audit_horizon'].flatMap((table) => [
        rowSecurity(table),
        ...readableBy(schema, table, readers),
      ]),
    ],
  })
}
