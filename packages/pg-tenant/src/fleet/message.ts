import type { TenantKey } from '@org/core'
import {
  ESCAPED,
  type Limits,
  noForeignCode,
  type Room,
  type RoomCall,
  roomCall,
} from '../admin/tenant-room.ts'
import type { Sink, Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import { markerOf, schemaOf, searchPathOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import { inTransaction, type Script, textInRoom } from '../migrations/script.ts'
import { tryTenantText } from '../registry/locks.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { MigrateSettings } from './options.ts'
import type { Behind } from './plan.ts'
import { kept, once } from './sql.ts'

/** A step, and whose statement it is. */
export interface Part {
  readonly step: Step
  readonly script?: Script
  readonly line?: number
  /** Where the step executes many statements: which of them failed, and whose they are. */
  readonly room?: { readonly call: RoomCall; readonly where: readonly Where[] }
}

interface Where {
  readonly script: Script
  readonly line: number
}

/** In the message of a raised check, by which it is recognised in any language. */
export const STALE = 'pg_tenant:stale'
export { ESCAPED }

const BEGIN = 'begin isolation level read committed read write'
const OWN = `set local search_path to ${OWN_PATH}`

// $1 lock timeout, $2 statement timeout.
const LIMITS = `select pg_backend_pid() + num_nulls(
  set_config('lock_timeout', $1, true),
  set_config('statement_timeout', $2, true))`

// A statement of its own: its snapshot is taken behind the lock, so it sees what another migrator has committed. $1 prefix,
// $2 key, $3 status, $4 how many migrations it has. `concat` is not folded at planning, so the cast raises only when it is
// reached.
export const CHECK = (tenant: string, migration: string) => `select case
  when (select status from ${tenant} where prefix = $1 and key = $2) = $3
   and (select count(*) from ${migration} where prefix = $1 and key = $2) = $4 then 0
  else concat('${STALE}')::int8 end`

// The ledger that travels with the schema. $1 ids, $2 checksums, $3 how many it must have had before: it does not agree with
// the registry when an older backup was restored, say. It raises where the schema is not there.
const LEDGER = (ledger: string) => `insert into ${ledger} (id, checksum) select id, case
  when (select count(*) from ${ledger}) = $3 then checksum else concat('${STALE}')::int8::text end
  from unnest($1::text[], $2::text[]) as w (id, checksum)`

// The same in two, because Citus takes no subquery in an INSERT.
const COUNT = (ledger: string) =>
  `select case when count(*) = $1 then 0 else concat('${STALE}')::int8 end from ${ledger}`
const ADD = (ledger: string) =>
  `insert into ${ledger} (id, checksum) select * from unnest($1::text[], $2::text[])`

// $1 prefix, $2 key, $3 ids, $4 checksums, then the milliseconds each took. Bounded by what its column holds, 25 days.
const RECORD = (migration: string, spent: string) =>
  `insert into ${migration} (prefix, key, id, checksum, duration_ms)
  select $1, $2, ($3::text[])[n], ($4::text[])[n], least(2147483647, greatest(0, ms))
  from ${spent} with ordinality as spent (ms, n)`

// Of a message, in equal shares; $5 how many.
const SHARED_OUT = `unnest(array_fill((extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000
  / $5::int8)::int8, array[$5::int4]))`

// $1 prefix, $2 key, $3 version.
export const VERSION = (tenant: string) =>
  `update ${tenant} set schema_version = $3, updated_at = now() where prefix = $1 and key = $2`

interface RegistryTexts {
  readonly lock: string
  readonly check: string
  readonly version: string
  readonly migration: string
}

const texts = new WeakMap<RegistryPlace, RegistryTexts>()

/** The statements on the registry: the same for every tenant of a run, so they are put together once. */
export function textsOf(registry: RegistryPlace): RegistryTexts {
  const known = texts.get(registry)
  if (known) return known
  const tenant = qualify(registry.controlSchema, 'tenant')
  const migration = qualify(registry.controlSchema, 'tenant_migration')
  const made = {
    lock: tryTenantText(registry),
    check: CHECK(tenant, migration),
    version: VERSION(tenant),
    migration,
  }
  texts.set(registry, made)
  return made
}

/** What a message to one tenant is made from. */
export interface Material {
  readonly lifecycle: Lifecycle
  readonly settings: MigrateSettings
  readonly scripts: readonly Script[]
  /** In the database of the registry. */
  readonly books: Session
  /** In the database of the tenant: the same session, unless it has one of its own. */
  readonly home: Session
}

/** The first steps of every transaction. */
export function open(session: Session, { settings }: Pick<Material, 'settings'>, statements = 1): Part[] {
  const { memory } = session
  const { lockTimeout, statementTimeout } = limitsOf(settings, statements)
  const sink: Sink = {
    row: ([pid]: (string | null)[]) => {
      memory.direct ??= pid === String(session.processId)
    },
  }
  return [
    { step: kept(memory, 'begin', BEGIN, []) },
    { step: kept(memory, 'clean', OWN, []) },
    { step: kept(memory, 'statement', LIMITS, [lockTimeout, statementTimeout].map(String), sink) },
  ]
}

/** Takes the tenant's lock, or raises when somebody else is at it. */
export function lock({ books, lifecycle: { registry } }: Material, tenant: TenantKey): Part {
  return { step: kept(books.memory, 'gate', textsOf(registry).lock, [registry.prefix, tenant]) }
}

/** Raises unless the tenant is as the plan says. */
export function check({ books, lifecycle: { registry } }: Material, { tenant, status, has }: Behind): Part {
  const values = [registry.prefix, tenant, status, has.length]
  return { step: kept(books.memory, 'statement', textsOf(registry).check, values) }
}

/** All statements of a message are one statement to the server's clock. */
function limitsOf({ lockTimeout, statementTimeout }: MigrateSettings, statements: number): Limits {
  return { lockTimeout, statementTimeout: Math.min(MOST, statementTimeout * Math.max(1, statements)) }
}

/** The largest integer of PostgreSQL's settings. */
const MOST = 2_147_483_647

/** The tenant's room, for these scripts. */
export function roomFor(material: Material, tenant: TenantKey, files: readonly Script[]) {
  const { naming } = material.lifecycle
  const room: Room = {
    schema: schemaOf(naming, tenant),
    owner: ownerOf(material.lifecycle, tenant),
    searchPath: searchPathOf(naming, tenant),
    shared: traitsOf(material.lifecycle.level).ownerApart,
  }
  const where = files.flatMap((script) => script.statements.map(({ line }) => ({ script, line })))
  const all = files.map(({ statements }) => statements.map(textInRoom))
  return { call: roomCall(room, all, limitsOf(material.settings, where.length)), where }
}

/** Everything one tenant needs: in one message, or around one to its own database. */
export interface Messages {
  /** Taken first, where the tenant has a database of its own: lock and check, in a transaction that stays open. */
  readonly before: readonly Part[]
  /** The migrations with the ledger of the schema, in the transaction of whoever holds it. */
  readonly home: readonly Part[]
  /** The ledger of the registry, where it is elsewhere, and COMMIT. */
  after(spent: readonly number[]): readonly Part[]
}

/**
 * Everything one tenant needs: opening, lock and check, the migrations in the tenant's room, both ledgers, COMMIT. In one
 * database it is one message: behind the first error the server skips the rest, so it takes effect as a whole or not at all.
 */
export function migrationMessages(
  material: Material,
  behind: Behind,
  todo: readonly Script[],
  spent: number[],
): Messages {
  const { books, home, lifecycle } = material
  const { prefix } = lifecycle.registry
  const { tenant } = behind
  const { migration, version: setVersion } = textsOf(lifecycle.registry)
  const facts = [todo.map(({ id }) => id), todo.map(({ checksum }) => checksum)]
  const version = newest(material.scripts, [...behind.has, ...todo.map(({ ordinal }) => ordinal)])
  const statements = todo.reduce((sum, script) => sum + script.statements.length, 0)
  const room = roomFor(material, tenant, todo)
  const [grant, revoke] = usageOf(material, behind)
  const same = books === home
  const ledger = qualify(schemaOf(lifecycle.naming, tenant), LEDGER_TABLE)
  const sink: Sink = { row: ([ms]: (string | null)[]) => void spent.push(Number(ms)) }
  const record = once('statement', RECORD(migration, SHARED_OUT), [prefix, tenant, ...facts, todo.length])
  const call = same
    ? once('statement', RECORD(migration, `${room.call.name}($5)`), [
        prefix,
        tenant,
        ...facts,
        room.call.texts,
      ])
    : once('statement', `select ms from ${room.call.name}($1) as ms`, [room.call.texts], sink)
  const end: Part[] = [
    { step: kept(books.memory, 'statement', setVersion, [prefix, tenant, version]) },
    { step: kept(books.memory, 'commit', 'commit', []) },
  ]
  const opening = [...open(books, material, statements), lock(material, tenant), check(material, behind)]
  const work: Part[] = [
    ...grant,
    ...noteOf(lifecycle, ledger, facts, behind.has.length),
    ...(lifecycle.distributedSchemas
      ? [...oneByOne(material, tenant, todo), { step: record }]
      : inside(room.call, { step: call, room })),
    ...revoke,
  ]
  if (same) return { before: [], home: [...opening, ...work, ...end], after: () => [] }
  return {
    before: opening,
    home: [...open(home, material, statements), ...work, { step: kept(home.memory, 'commit', 'commit', []) }],
    after: (ms) => [
      {
        step: once('statement', RECORD(migration, 'unnest($5::int8[])'), [prefix, tenant, ...facts, [...ms]]),
      },
      ...end,
    ],
  }
}

/**
 * What writes migrations into the ledger of the schema, or raises where it does not hold as many as it must.
 *
 * @param facts ids and checksums
 */
export function noteOf(
  { distributedSchemas }: Pick<Lifecycle, 'distributedSchemas'>,
  ledger: string,
  facts: readonly (readonly string[])[],
  had: number,
): Part[] {
  if (!distributedSchemas) return [{ step: once('statement', LEDGER(ledger), [...facts, had]) }]
  return [{ step: once('statement', COUNT(ledger), [had]) }, { step: once('statement', ADD(ledger), facts) }]
}

/** One call of a room: what makes it, the call itself, and what is to be done behind it. */
export function inside(call: RoomCall, part: Part): Part[] {
  return [
    // What is refused here is refused to the tenant: it may make nothing.
    ...call.make.map((text) => ({ step: once('statement', text), ...part.room?.where[0] })),
    part,
    ...call.leave.map((text) => ({ step: once('tail', text) })),
  ]
}

/**
 * The same for a distributed schema: statement by statement, because Citus distributes no table that a function makes
 * (`ConvertNewTableIfNecessary`). It is the administrator's, as all there is in it.
 */
export function oneByOne(
  { lifecycle: { naming } }: Material,
  tenant: TenantKey,
  scripts: readonly Script[],
): Part[] {
  const path = { step: once('clean', `set local search_path to ${searchPathOf(naming, tenant)}`) }
  const alone = { step: once('statement', noForeignCode(schemaOf(naming, tenant))) }
  const run = scripts.flatMap((script) => [
    path,
    ...inTransaction(script).map(({ text, line }) => ({ step: once('statement', text), script, line })),
    { step: once('constraints', 'set constraints all immediate'), script },
  ])
  return [alone, ...run, { step: once('clean', OWN) }, alone]
}

/** A suspended tenant's role needs USAGE while its statements run, and nobody else sees it. */
function usageOf({ lifecycle }: Material, { tenant, status }: Behind): [Part[], Part[]] {
  const owner = ownerOf(lifecycle, tenant)
  if (owner === undefined || status !== 'suspended') return [[], []]
  const [home, role] = [quoteIdentifier(schemaOf(lifecycle.naming, tenant)), quoteIdentifier(owner)]
  const one = (text: string): Part[] => [{ step: once('statement', text) }]
  return [one(`grant usage on schema ${home} to ${role}`), one(`revoke usage on schema ${home} from ${role}`)]
}

/** A statement that raises unless the tenant's schema is there with its marker. */
export function pinOf({ naming }: Pick<Lifecycle, 'naming'>, tenant: TenantKey): string {
  return `lock table ${qualify(schemaOf(naming, tenant), markerOf(naming, tenant))} in access share mode`
}

/** The version of a tenant with these migrations: the last of them in the order of files. */
export function newest(scripts: readonly Script[], has: readonly number[]): string | null {
  return scripts[Math.max(0, ...has) - 1]?.id ?? null
}

/** The same as text, for a dry run. */
export function dryRunText(fleet: Lifecycle, { tenant }: Behind, todo: readonly Script[]): string {
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
