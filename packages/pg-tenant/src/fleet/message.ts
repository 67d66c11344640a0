import type { TenantKey } from '@org/core'
import {
  asking,
  ESCAPED,
  type Limits,
  mayBePending,
  noForeignCode,
  pendingCall,
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
  readonly room?: Visit
}

interface Where {
  readonly script: Script
  readonly line: number
}

/** In the message of a raised check, by which it is recognised in any language. */
export const STALE = 'pg_tenant:stale'
export { ESCAPED }

/** In the message of an error behind a room: triggers may be pending, so the owner itself has to be asked. */
export const MAY_PEND = 'pg_tenant:may_pend'

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

// The ledger that travels with the schema. $1 and $2 an id and its checksum, and so on; at last one that it must have had before:
// it has not where an older backup was restored, say. It raises then, and where the schema is not there.
const LEDGER = (ledger: string, count: number, had: boolean) => {
  const rows = Array.from({ length: count }, (_, at) => `($${2 * at + 1}, $${2 * at + 2})`)
  if (had) rows[0] = `($1, (select $2::varchar from ${ledger} where id = $${2 * count + 1}))`
  return `insert into ${ledger} (id, checksum) values ${rows.join(', ')}`
}

// The same with a count in two, because Citus takes no subquery in an INSERT.
const COUNT = (ledger: string) =>
  `select case when count(*) = $1 then 0 else concat('${STALE}')::int8 end from ${ledger}`
const ADD = (ledger: string) =>
  `insert into ${ledger} (id, checksum) select * from unnest($1::text[], $2::text[])`

const MIGRATION_COLUMNS = '(prefix, key, id, checksum, duration_ms)'

// $1 prefix, $2 key, $3 ids, $4 checksums, then the milliseconds each took. Bounded by what its column holds, 25 days.
const RECORD = (migration: string, spent: string) => `insert into ${migration} ${MIGRATION_COLUMNS}
  select $1, $2, ($3::text[])[n], ($4::text[])[n], least(2147483647, greatest(0, ms))
  from ${spent} with ordinality as spent (ms, n)`

// The same, of the transaction in equal shares; $5 how many.
const RECORD_SHARES = (migration: string) => `insert into ${migration} ${MIGRATION_COLUMNS}
  select $1, $2, id, checksum,
    least(2147483647, extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000 / $5::int8)
  from unnest($3::text[], $4::text[]) as w (id, checksum)`

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
  /** What the run has seen of its tenants so far. */
  readonly seen: Seen
}

export interface Seen {
  /** Tables whose triggers can be deferred: the owner is asked each time from then on, in the same message. */
  deferrable: boolean
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

/** What a room is entered for, and what is asked when it is left. */
interface Visit {
  readonly room: Room
  readonly limits: Limits
  readonly call: RoomCall
  /** Whose the statements of the call are, in order. */
  readonly where: readonly Where[]
}

/** The tenant's room, for these scripts. */
export function roomFor(material: Material, tenant: TenantKey, files: readonly Script[]): Visit {
  const { naming } = material.lifecycle
  const room: Room = {
    schema: schemaOf(naming, tenant),
    owner: ownerOf(material.lifecycle, tenant),
    searchPath: searchPathOf(naming, tenant),
    shared: traitsOf(material.lifecycle.level).ownerApart,
  }
  const where = files.flatMap((script) => script.statements.map(({ line }) => ({ script, line })))
  const all = files.map(({ statements }) => statements.map(textInRoom))
  const limits = limitsOf(material.settings, where.length)
  return { room, limits, call: roomCall(room, all, limits), where }
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
  const shared = [prefix, tenant, ...facts, todo.length]
  const record: Part = { step: kept(books.memory, 'statement', RECORD_SHARES(migration), shared) }
  // What each of several took is known inside alone.
  const recorded = same && room.call.timed && !lifecycle.distributedSchemas
  const call = recorded
    ? once('statement', RECORD(migration, `${room.call.name}($5)`), [...shared.slice(0, 4), room.call.texts])
    : once('statement', asking(room.call), [room.call.texts], room.call.timed ? sink : {})
  const end: Part[] = [
    { step: kept(books.memory, 'statement', setVersion, [prefix, tenant, version]) },
    { step: kept(books.memory, 'commit', 'commit', []) },
  ]
  const opening = [...open(books, material, statements), lock(material, tenant), check(material, behind)]
  const work: Part[] = [
    ...grant,
    ...noteOf(material, behind, ledger, todo),
    ...(lifecycle.distributedSchemas ? oneByOne(material, tenant, todo) : inside(material, room, call)),
    ...(same && !recorded ? [record] : []),
    ...revoke,
  ]
  if (same) return { before: [], home: [...opening, ...work, ...end], after: () => [] }
  return {
    before: opening,
    home: [...open(home, material, statements), ...work, { step: kept(home.memory, 'commit', 'commit', []) }],
    after: (ms) => [
      ms.length === 0
        ? record
        : {
            step: once('statement', RECORD(migration, 'unnest($5::int8[])'), [
              prefix,
              tenant,
              ...facts,
              [...ms],
            ]),
          },
      ...end,
    ],
  }
}

/** What writes migrations into the ledger of the schema, or raises where that lacks what the registry says it has. */
export function noteOf(
  { lifecycle: { distributedSchemas }, scripts }: Material,
  { has }: Behind,
  ledger: string,
  todo: readonly Script[],
): Part[] {
  if (!distributedSchemas) {
    const last = newest(scripts, has)
    const text = LEDGER(ledger, todo.length, last !== null)
    const facts = todo.flatMap(({ id, checksum }) => [id, checksum])
    return [{ step: once('statement', text, last === null ? facts : [...facts, last]) }]
  }
  const facts = [todo.map(({ id }) => id), todo.map(({ checksum }) => checksum)]
  return [
    { step: once('statement', COUNT(ledger), [has.length]) },
    { step: once('statement', ADD(ledger), facts) },
  ]
}

/** One call of a room: what makes it, the call itself, and what is to be done behind it. */
export function inside({ home, seen }: Material, visit: Visit, step: Step): Part[] {
  const { room, limits, call } = visit
  const owner = room.owner ?? null
  const check = pendingCall(room, limits)
  const ask = once('tail', asking(check), [check.texts])
  return [
    // What is refused here is refused to the tenant: it may make nothing.
    ...call.make.map((text) => ({ step: once('statement', text), ...visit.where[0] })),
    { step, room: visit },
    ...tidying(home, call),
    ...(seen.deferrable
      ? [...check.make.map((text) => ({ step: once('tail', text) })), { step: ask }, ...tidying(home, check)]
      : [{ step: kept(home.memory, 'tail', mayPend(room), [owner]) }]),
  ]
}

function tidying({ memory }: Session, { leave: { first, next, last } }: RoomCall): Part[] {
  return [
    ...first.map((text) => once('tail', text)),
    ...next.map((text) => kept(memory, 'tail', text, [])),
    ...last.map((text) => once('tail', text)),
  ].map((step) => ({ step }))
}

const mayPend = (room: Room) => `select case when ${mayBePending(room)}
  then pg_catalog.concat('${MAY_PEND}')::pg_catalog.int8 else 0 end`

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
