import type { TenantKey } from '@org/core'
import { MOST_MS } from '../admin/in-room.ts'
import { type Limits, left } from '../admin/room-left.ts'
import { mayBePending } from '../admin/room-pending.ts'
import {
  asking,
  noForeignCode,
  pendingCall,
  type Room,
  type RoomCall,
  roomCall,
  setPath,
} from '../admin/tenant-room.ts'
import type { Sink, Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import { inTransaction, type Script, textInRoom } from '../migrations/script.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { MigrateSettings } from './options.ts'
import { boundTo, held, kept, once, running } from './sql.ts'

/** A step, and whose statement it is. */
export interface Part {
  readonly step: Step
  readonly script?: Script
  readonly line?: number
  /** Which of the script's statements it is, from 1. */
  readonly number?: number
  /** Where the step executes many statements: which of them failed, and whose they are. */
  readonly room?: Visit
}

interface Where {
  readonly script: Script
  readonly line: number
  readonly number: number
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
  return { lockTimeout, statementTimeout: Math.min(MOST_MS, statementTimeout * Math.max(1, statements)) }
}

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
    shared: traitsOf(material.lifecycle.level).separateOwner,
  }
  const where = files.flatMap((script) =>
    script.statements.map(({ line, number }) => ({ script, line, number })),
  )
  const all = files.map(({ statements }) => statements.map(textInRoom))
  const limits = limitsOf(material.settings, where.length)
  return { room, limits, call: roomCall(room, all, limits), where }
}

/** The path of what is sent beside a room. */
export const OWN = `set local search_path to ${OWN_PATH}`

/** What calls a room. */
export interface Calling {
  readonly text: string
  readonly values: readonly unknown[]
  readonly sink?: Sink
}

/** While a room is called the unnamed portal holds what is asked behind it, so that what else runs has portals of these names. */
const [ROOM, PATH] = ['pgt_room', 'pgt_path']

/** One call of a room: what makes it, the call itself, and what is to be done behind it. */
export function inside({ home, seen }: Material, visit: Visit, calling: Calling): Part[] {
  const { room, limits } = visit
  const owner = room.owner ?? null
  const entered = entering(home, visit, 'statement', calling)
  if (!seen.deferrable) return [...entered, { step: kept(home.memory, 'tail', mayPend(room), [owner]) }]
  const call = pendingCall(room, limits)
  const check = { room, limits, call, where: [] }
  return [...entered, ...entering(home, check, 'tail', { text: asking(call), values: [call.texts] })]
}

function entering(
  { memory }: Session,
  visit: Visit,
  phase: 'statement' | 'tail',
  { text, values, sink }: Calling,
): Part[] {
  const { make, path, leave } = visit.call
  const whole = phase === 'statement' && { room: visit }
  return [
    // What is refused here is refused to the tenant: it may make nothing.
    ...make.map((one) => ({ step: once(phase, one), ...visit.where[0] })),
    { step: boundTo(ROOM, phase, text, values), ...whole },
    // Hazard z: what is asked behind a room is planned and bound ahead of it, where no SQL can replace it
    { step: held(memory, 'tail', LEFT, [path]) },
    ...(path === null ? [] : [{ step: kept(memory, phase, SET_PATH, [path], undefined, PATH) }]),
    { step: running(ROOM, phase, sink), ...whole },
    { step: running('', 'tail'), ...(path !== null && visit.where.at(-1)) },
    // Behind it names are ours again.
    ...leave.next.map((one) => ({ step: kept(memory, 'tail', one, []) })),
    ...leave.last.map((one) => ({ step: once('tail', one) })),
  ]
}

const [LEFT, SET_PATH] = [left('$1'), setPath('$1')]

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
    ...inTransaction(script).map(({ text, line, number }) => ({
      step: once('statement', text),
      script,
      line,
      number,
    })),
    { step: once('constraints', 'set constraints all immediate'), script },
  ])
  return [alone, ...run, { step: once('clean', OWN) }, alone]
}
