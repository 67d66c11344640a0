import type { Queryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { rolesOf } from '../input/input.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

export interface InstallRetentionOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `governance`). */
  readonly controlSchema?: string | undefined
  /** Roles that may place holds and enrol tenants: the hub's, a worker's. Not one that SQL of a tenant can become. */
  readonly managers?: readonly string[] | undefined
}

/** @internal */
export const STEPS: readonly string[] = [
  `create table legal_hold (
    id uuid constraint pk_legal_hold primary key default gen_random_uuid(),
    tenant text not null,
    reason text not null,
    created_at timestamptz not null default now(),
    released_at timestamptz
  );
  create unique index idx_legal_hold_tenant on legal_hold (tenant) where released_at is null;
  create table retention_schedule (
    tenant text not null,
    name text not null,
    next_at timestamptz not null default now(),
    constraint pk_retention_schedule primary key (tenant, name)
  ) with (fillfactor = 80);
  create index idx_retention_schedule_next_at on retention_schedule (next_at);`,
]

const INSTALL_RETENTION_OPTIONS: OptionNames<InstallRetentionOptions> = {
  controlSchema: true,
  managers: true,
}

/**
 * Creates the tables of retention, or brings them up to date; may be repeated. In the control database.
 *
 * @param admin a pool or client of the administrator, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installRetention } from '@org/governance/retention'
 *
 * await installRetention(adminPool) // managers: ['hub']
 * ```
 */
export async function installRetention(
  admin: Queryable,
  options: InstallRetentionOptions = {},
): Promise<void> {
  requireKnownOptions(options, INSTALL_RETENTION_OPTIONS)
  const schema = parseControlSchema(options.controlSchema)
  const managers = rolesOf(options.managers, 'managers')
  await installControl(admin, schema, {
    part: 'retention',
    steps: STEPS,
    always: managers
      .map(quoteIdentifier)
      .flatMap((role) => [
        `grant usage on schema ${quoteIdentifier(schema)} to ${role}`,
        `grant select, insert, update on legal_hold to ${role}`,
        `grant select, insert, update, delete on retention_schedule to ${role}`,
      ]),
  })
}
