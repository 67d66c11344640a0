import { type OptionNames, type Queryable, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { rolesOf } from '../input/input.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

export interface InstallJobsOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `governance`). */
  readonly controlSchema?: string | undefined
  /** Roles whose processes run jobs. Not one that SQL of a tenant can become. */
  readonly runners?: readonly string[] | undefined
}

const NAMES: OptionNames<InstallJobsOptions> = { controlSchema: true, runners: true }

/** @internal */
export const STEPS: readonly string[] = [
  `create table job (
    name text constraint pk_job primary key constraint ck_job_name check (octet_length(name) between 1 and 100),
    next_at timestamptz not null default now(),
    token uuid,
    leased_until timestamptz,
    started_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    code text
  );`,
]

/**
 * Creates the table that says whose turn it is among processes that run the same jobs, or brings it up to date; may be
 * repeated. In the control database.
 *
 * @param admin a pool or client of the administrator, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installJobs } from '@org/governance/jobs'
 *
 * await installJobs(adminPool) // runners: ['worker']
 * ```
 */
export async function installJobs(admin: Queryable, options: InstallJobsOptions = {}): Promise<void> {
  requireKnownOptions(options, NAMES)
  const schema = parseControlSchema(options.controlSchema)
  const runners = rolesOf(options.runners, 'runners').map(quoteIdentifier)
  await installControl(admin, schema, {
    part: 'jobs',
    steps: STEPS,
    always: runners.flatMap((role) => [
      `grant usage on schema ${quoteIdentifier(schema)} to ${role}`,
      `grant select, insert, update on job to ${role}`,
    ]),
  })
}
