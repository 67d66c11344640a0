import type { Queryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { installControl } from '../control/install.ts'
import { invalidOption, rolesOf } from '../input/input.ts'
import { LEVEL_OPTIONS, type LevelOptions, type Writers, writersOf } from '../levels/identity.ts'
import { requireOutsiders } from '../levels/outsiders.ts'
import { policy } from '../levels/policy.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import {
  BY_REFERENCE,
  LATER_FUNCTIONS,
  LATER_SIGNATURES,
  OUTBOX_FUNCTIONS,
  SIGNATURES,
} from './functions/index.ts'
import { LANES, MAX_DELAY_DAYS, MAX_WRITTEN, OUTBOX_TABLES, PUBLISHED, SLOTS } from './tables-sql.ts'

/**
 * Options of {@link installOutbox}: the tenancy's own, and who works on it. `application` is needed at levels `schema` and
 * `row`; at `database` it may then say who has published (`hint`).
 */
export interface OutboxInstallOptions extends LevelOptions {
  /** Roles that a worker, the command and the hub connect as. Never a tenant's, nor the application's. */
  readonly workers?: readonly string[] | undefined
  /** Where the tables live (default `governance`); it may be the registry's. */
  readonly controlSchema?: string | undefined
}

/** @internal */
export const STEPS: readonly string[] = [
  [
    OUTBOX_TABLES,
    ...OUTBOX_FUNCTIONS.map((text) => `${text};`),
    ...SIGNATURES.flatMap((signature) => [
      `revoke all on function ${signature} from public;`,
      `alter function ${signature} set search_path from current;`,
      // The tables are big, empty and big again faster than statistics follow, and each has one way to be read: by index.
      `alter function ${signature} set plan_cache_mode to force_generic_plan;`,
      `alter function ${signature} set enable_seqscan to off;`,
      `alter function ${signature} set jit to off;`,
    ]),
    ...BY_REFERENCE.flatMap((signature) => [
      `alter function ${signature} set enable_hashjoin to off;`,
      `alter function ${signature} set enable_mergejoin to off;`,
    ]),
    // It joins what it has just found, of which nothing is known beforehand. Settings of the function that calls it would hold
    // in it too, so it says all of its own.
    'alter function outbox_dispatch() set enable_nestloop to off;',
    'alter function outbox_dispatch() set enable_hashjoin to on;',
    'alter function outbox_dispatch() set enable_mergejoin to on;',
    'alter table outbox enable row level security;',
  ].join('\n'),
  [
    ...LATER_FUNCTIONS.map((text) => `${text};`),
    ...LATER_SIGNATURES.flatMap((signature) => [
      `revoke all on function ${signature} from public;`,
      `alter function ${signature} set search_path from current;`,
      `alter function ${signature} set enable_seqscan to off;`,
    ]),
  ].join('\n'),
  // What it measured is neither what came in (a value that was compressed) nor what goes out: the policy of those who publish does.
  'alter table outbox drop constraint ck_outbox_payload',
]

/** What a worker reads and writes; partitions by themselves only to be emptied. */
const WORKED = [
  'tick',
  'ready',
  'lease',
  'loose',
  'ordered',
  'hold',
  'waiting',
  'dead',
  'head',
  'hint',
  'relayed',
].map((name) => `outbox_${name}`)
const EMPTIED = [
  ...Array.from({ length: SLOTS }, (_, n) => `outbox_${n}`),
  ...Array.from({ length: LANES }, (_, n) => `outbox_ready_${n}`),
]

const INSTALL_OUTBOX_OPTIONS: OptionNames<OutboxInstallOptions> = {
  workers: true,
  controlSchema: true,
  ...LEVEL_OPTIONS,
}

/**
 * Creates the outbox, or brings it up to date; may be repeated. At levels `role` and `login` every tenant's role may append
 * events in its own name: who a tenant is comes from `current_user`, so SQL that a tenant sends can neither read, forge,
 * change nor remove anybody's events.
 *
 * @param admin a pool or client of a role that may create schemas, connected directly
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installOutbox } from '@org/governance/outbox'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix }) // workers: ['worker'], who are not the application
 * ```
 */
export async function installOutbox(admin: Queryable, options: OutboxInstallOptions = {}): Promise<void> {
  requireKnownOptions(options, INSTALL_OUTBOX_OPTIONS)
  const schema = parseControlSchema(options.controlSchema)
  const workers = rolesOf(options.workers, 'workers')
  const writers = writersOf(options)
  if (workers.includes(writers.shared ?? options.application ?? '')) {
    throw invalidOption('workers', 'other roles than the application, which what a tenant sends can become')
  }
  await requireOutsiders(admin, options, { workers })
  await installControl(admin, schema, {
    part: 'outbox',
    steps: STEPS,
    always: [
      ...publishing(schema, options, writers),
      ...workers.flatMap((role) => working(schema, role)),
      policyOf(workers),
    ],
  })
}

/** Who may append, and the proof that it does so in its own name. */
function publishing(
  schema: string,
  { application }: OutboxInstallOptions,
  { isolation, grantee, ownRow }: Writers,
): string[] {
  if (isolation === 'database') return application === undefined ? [] : hinting(schema, application)
  return [
    `grant usage on schema ${quoteIdentifier(schema)} to ${grantee}`,
    `grant insert (${PUBLISHED}) on outbox to ${grantee}`,
    publishPolicy(grantee, ownRow),
  ]
}

/** The application may say who has something. */
function hinting(schema: string, application: string): string[] {
  const who = quoteIdentifier(String(rolesOf([application], 'application')[0]))
  return [
    `grant usage on schema ${quoteIdentifier(schema)} to ${who}`,
    `grant insert on outbox_hint to ${who}`,
  ]
}

function publishPolicy(who: string, whose: string): string {
  return policy(
    'outbox',
    'outbox_publish',
    'insert',
    [who],
    `with check (${whose} and attempts = 0 and not solo and not queued
      and available_at between now() and now() + interval '${MAX_DELAY_DAYS * 24 + 1} hours'
      and octet_length(payload::text) <= ${MAX_WRITTEN})`,
  )
}

function policyOf(workers: readonly string[]): string {
  if (workers.length === 0) return 'select'
  return policy(
    'outbox',
    'outbox_work',
    'all',
    workers.map(quoteIdentifier),
    'using (true) with check (true)',
  )
}

function working(schema: string, role: string): string[] {
  const who = quoteIdentifier(role)
  return [
    `grant usage on schema ${quoteIdentifier(schema)} to ${who}`,
    `grant select, insert, update, delete on outbox, ${WORKED.join(', ')} to ${who}`,
    `grant truncate on ${EMPTIED.join(', ')} to ${who}`,
    `grant execute on function ${[...SIGNATURES, ...LATER_SIGNATURES].join(', ')} to ${who}`,
  ]
}
