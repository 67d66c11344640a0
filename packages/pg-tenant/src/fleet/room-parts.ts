import type { TenantKey } from '@org/core'
import {
  asking,
  type Limits,
  mayBePending,
  noForeignCode,
  pendingCall,
  type Room,
  type RoomCall,
  roomCall,
} from '../admin/tenant-room.ts'
import type { Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import { inTransaction, type Script, textInRoom } from '../migrations/script.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { MigrateSettings } from './options.ts'
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

/** In the message of an error behind a room: triggers may be pending, so the owner itself has to be asked. */
export const MAY_PEND = 'pg_tenant:may_pend'

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

/** All statements of a message are one statement to the server's clock. */
export function limitsOf({ lockTimeout, statementTimeout }: MigrateSettings, statements: number): Limits {
  return { lockTimeout, statementTimeout: Math.min(MOST, statementTimeout * Math.max(1, statements)) }
}

/** The largest integer of PostgreSQL's settings. */
const MOST = 2_147_483_647

/** What a room is entered for, and what is asked when it is left. */
export interface Visit {
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

/** The path of what is sent beside a room. */
export const OWN = `set local search_path to ${OWN_PATH}`

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
