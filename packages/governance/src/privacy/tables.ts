import type { Queryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { rolesOf } from '../input/input.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

export interface InstallPrivacyOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `governance`). */
  readonly controlSchema?: string | undefined
  /** Roles of the programs that erase and that write the audit log. Not one that SQL of a tenant can become. */
  readonly managers?: readonly string[] | undefined
}

/** @internal Neither says anything of a person but an id: that is what stays. */
export const STEPS: readonly string[] = [
  `create table subject_key (
    tenant text not null,
    subject text not null,
    sealed text,
    created_at timestamptz not null default now(),
    destroyed_at timestamptz,
    constraint pk_subject_key primary key (tenant, subject),
    constraint ck_subject_key_destroyed check ((sealed is null) = (destroyed_at is not null))
  );
  create table erasure_ledger (
    tenant text not null,
    subject text not null,
    requested_at timestamptz not null default now(),
    done_at timestamptz,
    constraint pk_erasure_ledger primary key (tenant, subject)
  );`,
]

const INSTALL_PRIVACY_OPTIONS: OptionNames<InstallPrivacyOptions> = {
  controlSchema: true,
  managers: true,
}

/**
 * Creates the tables of data protection in the control database, or brings them up to date; may be repeated.
 *
 * @param admin a pool or client of the administrator, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installPrivacy } from '@org/governance/privacy'
 *
 * await installPrivacy(adminPool) // managers: ['hub']
 * ```
 */
export async function installPrivacy(admin: Queryable, options: InstallPrivacyOptions = {}): Promise<void> {
  requireKnownOptions(options, INSTALL_PRIVACY_OPTIONS)
  const schema = parseControlSchema(options.controlSchema)
  const managers = rolesOf(options.managers, 'managers')
  await installControl(admin, schema, {
    part: 'privacy',
    steps: STEPS,
    always: managers
      .map(quoteIdentifier)
      .flatMap((role) => [
        `grant usage on schema ${quoteIdentifier(schema)} to ${role}`,
        `grant select, insert, update on subject_key, erasure_ledger to ${role}`,
      ]),
  })
}
