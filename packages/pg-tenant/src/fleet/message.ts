import type { TenantKey } from '@org/core'
import { asking } from '../admin/tenant-room.ts'
import type { Sink } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import { markerOf, schemaOf, searchPathOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import type { Script } from '../migrations/script.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { ADD, COUNT, LEDGER, RECORD, RECORD_SHARES, textsOf } from './ledger-sql.ts'
import type { Behind } from './plan.ts'
import {
  type Calling,
  inside,
  limitsOf,
  type Material,
  OWN,
  oneByOne,
  type Part,
  roomFor,
} from './room-parts.ts'
import { kept, once } from './sql.ts'

const BEGIN = 'begin isolation level read committed read write'

// $1 lock timeout, $2 statement timeout.
const LIMITS = `select pg_backend_pid() + num_nulls(
  set_config('lock_timeout', $1, true),
  set_config('statement_timeout', $2, true))`

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
  const call: Calling = recorded
    ? { text: RECORD(migration, `${room.call.name}($5)`), values: [...shared.slice(0, 4), room.call.texts] }
    : { text: asking(room.call), values: [room.call.texts], ...(room.call.timed && { sink }) }
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
