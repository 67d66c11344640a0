import type { Actor, Queryable, TenantKey, TenantQueryable } from '@org/core'
import type { AuditActor, AuditEntry } from '@org/governance/audit'
import type { RequestTenancy } from '@org/pg-tenant/express'
import type { Request } from 'express'
import type { HubConfig } from '../config.ts'
import type { Control, ControlTransaction } from './control.ts'
import { type EventData, type EventType, isTold, payloadOf } from './events.ts'
import type { Keeping } from './keeping.ts'
import { PLATFORM } from './platform.ts'

/** Who does what, as it is recorded. */
export interface Deed {
  readonly actor: Actor
  /** The operator who is in the tenant as one of its users. */
  readonly operatorId: string | undefined
  /** The route's action. */
  readonly action: string
  readonly requestId: string
  readonly ip: string | undefined
  readonly userAgent: string | undefined
}

/** What is told of a change, in its transaction. */
export interface Trail {
  /** What was changed; without it there is an entry that says no more than that it was. */
  record(what: Told): void
  /** Nothing was, after all: nothing is recorded. */
  unchanged(): void
  /** To webhooks, where the profile in force has such events. */
  publish<T extends EventType>(type: T, data: EventData<T>): void
}

/** What of an entry is not the deed's; an actor, where the route finds out itself who it is. */
export type Told = Partial<Pick<AuditEntry, 'actor' | 'entity' | 'before' | 'after' | 'metadata'>>
type Event = { readonly type: EventType; readonly payload: Record<string, unknown> }

/** How routes change things: nothing is changed that is not recorded. */
export interface Changes {
  /** One transaction of the request's tenant, with its entry in the audit log, its events and its use. */
  inTenant<T>(
    deed: Deed,
    tenancy: RequestTenancy,
    work: (db: TenantQueryable, trail: Trail) => Promise<T>,
  ): Promise<T>
  /**
   * One transaction of the control schemas, recorded in the operators' own log and in that of the tenant it is about, if any;
   * its events are told to both. What `work` does beyond it, in the tenant itself, is committed before: it has to be
   * `announce`d, and such that the same request, sent again, does it again.
   */
  byOperator<T>(
    deed: Deed,
    about: TenantKey | undefined,
    work: (tx: ControlTransaction, trail: Trail) => Promise<T>,
  ): Promise<T>
  /**
   * Records in the same two logs, committed at once, that a deed begins whose effects are not all of one transaction. Where what
   * follows is cut off, this entry (`metadata.begun`, under the same request id) is what tells of what may have been changed.
   */
  announce(deed: Deed, about: TenantKey | undefined, what?: Told): Promise<void>
}

type Parts = Pick<Keeping, 'audit' | 'events' | 'used'> & {
  readonly config: HubConfig
  readonly control: Control
}

export function changesOf({ audit, events, used, config, control }: Parts): Changes {
  const write = async (db: TenantQueryable, deed: Deed, { entries, told }: Written, actor: AuditActor) => {
    const { action, requestId, ip, userAgent } = deed
    const facts = { action, requestId, ip, userAgent }
    await audit.recordAll(
      db,
      entries.map((entry) => ({ ...facts, actor, ...entry })),
    )
    await events.publishAll(db, told)
  }
  const writeBoth = async (to: Queryable, deed: Deed, about: TenantKey | undefined, written: Written) => {
    const { entries, told } = written
    const entity = about && { entity: { type: 'tenant', id: about } }
    const own = { entries: entries.map((entry) => ({ ...entity, ...entry })), told }
    await write(asTenant(to, PLATFORM), deed, own, actorOf(deed))
    if (about === undefined || about === PLATFORM) return
    // Where the operator sits is the operators' business.
    const shown = { ...deed, ip: undefined, userAgent: undefined }
    await write(asTenant(to, about), shown, written, { type: 'operator', id: deed.actor.id })
  }
  return {
    inTenant: (deed, tenancy, work) =>
      tenancy.transaction(async (db) => {
        const { trail, written } = trailOf(config)
        const made = await work(db, trail)
        const { entries, told } = written()
        if (entries.length === 0) return made
        await write(db, deed, { entries, told }, actorOf(deed))
        await used.meter(db, { requestId: deed.requestId, action: deed.action })
        return made
      }),
    byOperator: (deed, about, work) =>
      control.transaction(async (tx) => {
        const { trail, written } = trailOf(config)
        const made = await work(tx, trail)
        await writeBoth(tx, deed, about, written())
        return made
      }),
    // On a connection of its own, which commits each statement: the transaction of the deed may not.
    announce: (deed, about, what = {}) =>
      writeBoth(control, deed, about, {
        entries: [{ ...what, metadata: { ...what.metadata, begun: true } }],
        told: [],
      }),
  }
}

interface Written {
  readonly entries: readonly Told[]
  readonly told: readonly Event[]
}

/** What is told of while the work goes on; of work that says nothing, that it was done. */
function trailOf({ OPERATING_PROFILE }: HubConfig): { readonly trail: Trail; written(): Written } {
  const entries: Told[] = []
  const told: Event[] = []
  let changed = true
  return {
    written: () => ({ entries: changed && entries.length === 0 ? [{}] : entries, told }),
    trail: {
      record: (what) => void entries.push(what),
      unchanged: () => {
        changed = false
      },
      publish: (type, data) => {
        if (isTold(type, OPERATING_PROFILE)) told.push({ type, payload: payloadOf(type, data) })
      },
    },
  }
}

function actorOf({ actor, operatorId }: Deed): AuditActor {
  return operatorId === undefined ? actor : { type: 'operator', id: operatorId }
}

function asTenant(tx: Queryable, tenant: TenantKey): TenantQueryable {
  return { tenant, query: tx.query }
}

/** The deed of a request: who it is from is passed on, never looked up. */
export function deedOf(request: Request, actor: Actor, action: string): Deed {
  return {
    actor,
    operatorId: operatorOf(request),
    action,
    requestId: String(request.res?.getHeader('X-Request-Id')),
    ip: request.ip,
    userAgent: request.get('user-agent') || undefined,
  }
}

/** The claim of RFC 8693 (4.1) that says who acts as the subject of a token. */
export const ACT = 'act'

export function operatorOf({ resolved }: Request): string | undefined {
  const { claims } = (resolved?.claims ?? {}) as { claims?: Readonly<Record<string, unknown>> }
  const act = claims?.[ACT] as { sub?: unknown } | undefined
  return typeof act?.sub === 'string' ? act.sub : undefined
}
