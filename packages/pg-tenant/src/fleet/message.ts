import type { TenantKey } from '@org/core'
import type { Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Script } from '../migrations/script.ts'
import type { Statement } from '../migrations/statements.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Fleet, ownerOf } from './fleet.ts'
import type { MigrateSettings } from './options.ts'
import type { Behind } from './plan.ts'
import { kept, once } from './sql.ts'

/** A step, and whose statement it is. */
export interface Part {
  readonly step: Step
  readonly script?: Script
  readonly line?: number
}

/** Texts in the message of a raised check, by which it is recognised in any language. */
export const BUSY = 'pg_tenant:busy'
export const STALE = 'pg_tenant:stale'
export const ESCAPED = 'pg_tenant:escaped'

const BEGIN = 'begin isolation level read committed read write'
// Nothing in a shared schema can stand in for a catalogue function, and plans that are kept stay valid.
export const OWN_PATH = 'set local search_path to pg_catalog, pg_temp'

// $1 lock timeout, $2 statement timeout, $3 schema. The lock is that of provision, suspend and drop. It is tried, not
// waited for: a CREATE INDEX CONCURRENTLY of who holds it would wait for our snapshot in turn. `concat` is not folded at
// planning, so the cast raises only when it is reached.
const OPEN = `select pg_backend_pid() + num_nulls(
  set_config('lock_timeout', $1, true),
  set_config('statement_timeout', $2, true),
  set_config('pg_tenant.transaction', pg_current_xact_id()::text, true),
  case when pg_try_advisory_xact_lock(hashtextextended(concat('pg_tenant:', $3::text), 0)) then 0
    else concat('${BUSY}')::int8 end)`

// A statement of its own: its snapshot is taken behind the lock, so it sees what another migrator has committed. $1 prefix,
// $2 key, $3 status, $4 how many migrations it has.
export const CHECK = (tenant: string, migration: string) => `select case
  when (select status from ${tenant} where prefix = $1 and key = $2) = $3
   and (select count(*) from ${migration} where prefix = $1 and key = $2) = $4 then 0
  else concat('${STALE}')::int8 end`

// $1 search path, $2 role. Notes when the migration began, in milliseconds.
const ENTER = `select num_nulls(
  set_config('pg_tenant.clock', (extract(epoch from clock_timestamp()) * 1000)::int8::text, true),
  set_config('search_path', $1, true),
  set_config('role', $2, true))`

// Deferred triggers are the tenant's code: before PostgreSQL 18 COMMIT would run them as the administrator.
const CONSTRAINTS = 'set constraints all immediate'

// $1 the role it must still be, or null for that of the session. Raises when the migration changed role or transaction.
const LEAVE = `select case
  when current_user = coalesce($1::text, session_user)
   and current_setting('pg_tenant.transaction', true) = pg_current_xact_id()::text
  then num_nulls(set_config('role', 'none', true))
  else concat('${ESCAPED}')::int8 end`

// The ledger that travels with the schema. $1 id, $2 checksum, $3 how many it must have had before: it does not agree with
// the registry when an older backup was restored, say.
export const LEDGER = (ledger: string) => `insert into ${ledger} (id, checksum) values ($1, case
  when (select count(*) from ${ledger}) = $3 then $2 else concat('${STALE}')::int8::text end)`

// $1 prefix, $2 key, $3 id, $4 checksum. Bounded by what its column holds, 25 days: one that was cut off may be resumed later.
export const RECORD = (
  migration: string,
) => `insert into ${migration} (prefix, key, id, checksum, duration_ms)
  values ($1, $2, $3, $4, least(2147483647, greatest(0,
    (extract(epoch from clock_timestamp()) * 1000)::int8 - current_setting('pg_tenant.clock')::int8)))`

// $1 prefix, $2 key, $3 version.
export const VERSION = (tenant: string) =>
  `update ${tenant} set schema_version = $3, updated_at = now() where prefix = $1 and key = $2`

interface RegistryTexts {
  readonly check: string
  readonly record: string
  readonly version: string
}

const texts = new WeakMap<RegistryPlace, RegistryTexts>()

/** The statements on the registry: the same for every tenant of a run, so they are put together once. */
function textsOf(registry: RegistryPlace): RegistryTexts {
  const known = texts.get(registry)
  if (known) return known
  const tenant = qualify(registry.controlSchema, 'tenant')
  const migration = qualify(registry.controlSchema, 'tenant_migration')
  const made = { check: CHECK(tenant, migration), record: RECORD(migration), version: VERSION(tenant) }
  texts.set(registry, made)
  return made
}

const steps = new WeakMap<Statement, Step>()

/** A migration's statement as bytes, which are the same for every tenant. */
function stepOf(statement: Statement): Step {
  const known = steps.get(statement)
  if (known) return known
  const made = once('statement', statement.text)
  steps.set(statement, made)
  return made
}

/** What a message to one tenant is made from. */
export interface Place {
  readonly lifecycle: Fleet
  readonly settings: MigrateSettings
  readonly scripts: readonly Script[]
  readonly session: Session
}

/** The first steps of every message to a tenant: raises when somebody else is at it. */
export function open({ session, lifecycle, settings }: Place, tenant: TenantKey): Part[] {
  const { memory } = session
  const values = [settings.lockTimeout, settings.statementTimeout].map(String)
  const sink = {
    row: ([pid]: (string | null)[]) => {
      memory.direct ??= pid === String(session.processId)
    },
  }
  return [
    { step: kept(memory, 'begin', BEGIN, []) },
    { step: kept(memory, 'clean', OWN_PATH, []) },
    { step: kept(memory, 'gate', OPEN, [...values, schemaOf(lifecycle.naming, tenant)], sink) },
  ]
}

/**
 * Everything one tenant needs as one message: opening, check, the migrations as the tenant's own role, both ledgers,
 * COMMIT. Behind the first error the server skips the rest, so it takes effect as a whole or not at all.
 */
export function migrationMessage(place: Place, behind: Behind, todo: readonly Script[]): Part[] {
  const { lifecycle, session } = place
  const { memory } = session
  const { naming, registry } = lifecycle
  const { tenant, status } = behind
  const schema = schemaOf(naming, tenant)
  const ledger = qualify(schema, LEDGER_TABLE)
  const { check, record, version: setVersion } = textsOf(registry)
  const role = ownerOf(lifecycle, tenant)
  const usage =
    role !== undefined && status === 'suspended'
      ? [quoteIdentifier(schema), quoteIdentifier(role)]
      : undefined
  const plain = (text: string, values?: readonly unknown[]): Part => ({
    step: once('statement', text, values),
  })
  const version = newest(place.scripts, [...behind.has, ...todo.map(({ ordinal }) => ordinal)])
  return [
    ...open(place, tenant),
    {
      step: kept(memory, 'statement', check, [registry.prefix, tenant, status, behind.has.length]),
    },
    ...(usage ? [plain(`grant usage on schema ${usage[0]} to ${usage[1]}`)] : []),
    ...todo.flatMap((script, at): Part[] => [
      // First, because it raises where the schema is not there: nothing falls through to a shared one, and nobody drops it.
      plain(LEDGER(ledger), [script.id, script.checksum, behind.has.length + at]),
      { step: kept(memory, 'statement', ENTER, [searchPathOf(naming, tenant), role ?? 'none']) },
      ...script.statements.map((one) => ({ step: stepOf(one), script, line: one.line })),
      { step: kept(memory, 'constraints', CONSTRAINTS, []), script },
      { step: kept(memory, 'clean', OWN_PATH, []) },
      { step: kept(memory, 'tail', LEAVE, [role ?? null]), script },
      {
        step: kept(memory, 'statement', record, [registry.prefix, tenant, script.id, script.checksum]),
      },
    ]),
    ...(usage ? [plain(`revoke usage on schema ${usage[0]} from ${usage[1]}`)] : []),
    { step: kept(memory, 'statement', setVersion, [registry.prefix, tenant, version]) },
    { step: kept(memory, 'commit', 'commit', []) },
  ]
}

/** A statement that raises unless the tenant's schema is there with its marker. */
export function pinOf({ naming }: Fleet, tenant: TenantKey): string {
  return `lock table ${qualify(schemaOf(naming, tenant), naming.marker)} in access share mode`
}

/** The version of a tenant with these migrations: the last of them in the order of files. */
export function newest(scripts: readonly Script[], has: readonly number[]): string | null {
  return scripts[Math.max(0, ...has) - 1]?.id ?? null
}

/** The same as text, for a dry run. */
export function dryRunText(fleet: Fleet, { tenant }: Behind, todo: readonly Script[]): string {
  const owner = ownerOf(fleet, tenant)
  const role = owner === undefined ? 'none' : quoteIdentifier(owner)
  const opening = `set local search_path to ${searchPathOf(fleet.naming, tenant)};\nset local role ${role};`
  return todo
    .map(({ id, sql, transaction }) =>
      transaction
        ? `begin; -- ${id}\n${opening}\n${sql}\n;commit;`
        : `-- ${id}: one by one, outside a transaction\n${opening.replaceAll('set local', 'set')}\n${sql}\n;reset all;`,
    )
    .join('\n')
}
