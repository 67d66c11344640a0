import { randomUUID } from 'node:crypto'
import type { Queryable, TenantKey, TenantQueryable } from '@org/core'
import { codedControl, type OptionNames, requireKnownOptions } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { invalidField, invalidOption, storable } from '../input/input.ts'
import { isWrittenLonger } from '../json/written.ts'
import type { IsolationLevel } from '../levels/identity.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { MAX_DELAY_DAYS, MAX_PAYLOAD, MAX_WRITTEN, PUBLISHED, slotOf } from './tables-sql.ts'

/** Events by type, and what they carry: JSON. */
export type EventMap = Record<string, unknown>

/** Options of {@link outbox}. */
export interface OutboxOptions {
  /** Event types there are; any other is refused (default: whatever is well formed). */
  readonly types?: readonly string[] | undefined
  /** The tenancy's isolation level; at `database` events are first kept in the tenant's own database (default `role`). */
  readonly isolation?: IsolationLevel | undefined
  /** As given to `installOutbox` (default `governance`). */
  readonly controlSchema?: string | undefined
  /**
   * Asked for the `traceparent` of each event that says none: that of `@org/pg-tenant/opentelemetry`, so that what a handler
   * does belongs to the trace of the request that published it.
   */
  readonly traceparent?: (() => string | undefined) | undefined
}

/** Options of one event. */
export interface PublishOptions {
  /** Not before this many milliseconds from now, by the database's clock (default 0, at most 28 days). */
  readonly delay?: number | undefined
  /** Events of one tenant with the same key are handled one after the other, in the order published; 1 to 200 characters. */
  readonly key?: string | undefined
  /** A `traceparent` (W3C Trace Context), handed to the handler. */
  readonly traceparent?: string | undefined
}

/** One of several events. */
export interface NewEvent<Events extends EventMap, Type extends keyof Events & string = keyof Events & string>
  extends PublishOptions {
  readonly type: Type
  readonly payload: Events[Type]
}

/** What {@link outbox} makes. */
export interface Outbox<Events extends EventMap = EventMap> {
  readonly isolation: IsolationLevel
  readonly controlSchema: string
  /** As it was given. */
  readonly traceparent?: (() => string | undefined) | undefined
  /** Whether there is such a type. */
  has(type: string): boolean
  /**
   * Publishes an event in the caller's transaction: committed with it, or not at all. It goes out in front of the next
   * statement, without a round trip of its own, where the handle can do that.
   *
   * @param type `[a-z][a-z0-9_]*`, several joined by `.`, at most 100 bytes
   * @param payload JSON of at most 256 KiB
   * @returns the event's id, which its handler gets as part of the idempotency key
   * @throws TenancyError VALIDATION_ERROR (`details.field`), before anything is sent
   */
  publish<Type extends keyof Events & string>(
    db: TenantQueryable,
    type: Type,
    payload: Events[Type],
    options?: PublishOptions,
  ): Promise<string>
  /** Several events in one statement; their ids in the same order. Errors as {@link Outbox.publish}. */
  publishAll(db: TenantQueryable, events: readonly NewEvent<Events>[]): Promise<string[]>
  /**
   * Level `database`, after COMMIT: says on the control connection that a tenant has published, so that a worker looks there
   * at once instead of when it next goes round. Lost hints cost that time and nothing else.
   */
  hint(control: Queryable, tenant: TenantKey): Promise<void>
}

const TYPE = /^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*$/
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
/** @internal ms */
export const MAX_DELAY = MAX_DELAY_DAYS * 86_400_000
/** In one statement, and their bytes. */
const MAX_EVENTS = 1_000
const MAX_BYTES = 67_108_864

const OUTBOX_OPTIONS: OptionNames<OutboxOptions> = {
  types: true,
  isolation: true,
  controlSchema: true,
  traceparent: true,
}

/**
 * The outbox: events that are published if, and only if, the transaction that publishes them is committed. The tables come
 * from `installOutbox`; a worker (`@org/governance/outbox/worker`) hands the events to their handlers.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installOutbox, outbox } from '@org/governance/outbox'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * const events = outbox<{ 'note.created': { id: string } }>()
 * await tenancy.withTenant('acme', async (db) => {
 *   const { rows } = await db.query<{ id: string }>('insert into notes (body) values ($1) returning id', ['hi'])
 *   for (const { id } of rows) await events.publish(db, 'note.created', { id })
 * })
 * ```
 */
export function outbox<Events extends EventMap = EventMap>(options: OutboxOptions = {}): Outbox<Events> {
  requireKnownOptions(options, OUTBOX_OPTIONS)
  const { isolation = 'role' } = options
  const types = typesOf(options.types)
  const schema = parseControlSchema(options.controlSchema)
  const text = insertInto(outboxTable({ isolation, controlSchema: schema }), isolation === 'database')
  const has = (type: string) => types === undefined || types.has(type)
  const publishAll = async (db: TenantQueryable, events: readonly NewEvent<Events>[]): Promise<string[]> => {
    if (!Array.isArray(events) || events.length > MAX_EVENTS) {
      throw invalidField('events', `a list of at most ${MAX_EVENTS} events`)
    }
    const around = options.traceparent?.()
    const rows = events.map((event) => rowOf({ traceparent: around, ...event }, has))
    if (rows.length === 0) return []
    if (rows.reduce((sum, { json }) => sum + json.length, 0) > MAX_BYTES)
      throw invalidField('events', `at most ${MAX_BYTES} bytes in all`)
    const values = [db.tenant, `[${rows.map(({ json }) => json).join()}]`]
    await (db.queue ? db.queue(text, values) : db.query(text, values))
    return rows.map(({ id }) => id)
  }
  return {
    isolation,
    controlSchema: schema,
    traceparent: options.traceparent,
    has,
    publishAll,
    hint: async (control, tenant) => {
      const hints = `${quoteIdentifier(schema)}.outbox_hint`
      await codedControl(control, 'installOutbox(admin, { application })').query(
        `insert into ${hints} (tenant) values ($1) on conflict do nothing`,
        [tenant],
      )
    },
    publish: async (db, type, payload, how = {}) => {
      const [id] = await publishAll(db, [{ ...how, type, payload }])
      return String(id)
    },
  }
}

/** @internal The table that a tenant's scope appends events to. */
export const outboxTable = ({
  isolation,
  controlSchema,
}: Pick<Outbox, 'isolation' | 'controlSchema'>): string =>
  isolation === 'database' ? 'outbox' : `${quoteIdentifier(controlSchema)}.outbox`

function insertInto(table: string, own: boolean): string {
  const e = 'e.at'
  const columns = own ? PUBLISHED.replace('slot, ', '') : PUBLISHED
  return `insert into ${table} (${columns})
    select e.id, $1, ${own ? '' : `${slotOf(e)}, `}e.type, coalesce(e.payload, 'null'), e.key, e.trace, ${e}
    from (
      select x.*, pg_catalog.now() operator(pg_catalog.+) pg_catalog.make_interval(secs => x.delay) as at
      from pg_catalog.jsonb_to_recordset($2::pg_catalog.jsonb) as x(id pg_catalog.uuid, type pg_catalog.text,
        payload pg_catalog.jsonb, key pg_catalog.text, trace pg_catalog.text, delay pg_catalog.float8)
    ) e`
}

interface EventRow {
  readonly id: string
  readonly json: string
}

/** @internal @throws TenancyError VALIDATION_ERROR */
export function rowOf(
  { type, payload, delay = 0, key, traceparent }: PublishOptions & { type: string; payload: unknown },
  has: (type: string) => boolean,
  id: string = randomUUID(),
): EventRow {
  if (!isEventType(type) || !has(type)) throw invalidField('type', 'an event type there is')
  if (typeof delay !== 'number' || !(delay >= 0 && delay <= MAX_DELAY)) {
    throw invalidField('delay', `milliseconds from 0 to ${MAX_DELAY}`)
  }
  if (key !== undefined && !(typeof key === 'string' && key !== '' && key.length <= 200 && storable(key))) {
    throw invalidField('key', 'a text of 1 to 200 characters')
  }
  if (traceparent !== undefined && !(typeof traceparent === 'string' && TRACE.test(traceparent))) {
    throw invalidField('traceparent', 'a traceparent (W3C Trace Context)')
  }
  const rest = JSON.stringify({ id, type, delay: delay / 1_000, key, trace: traceparent })
  // Written once: what `toJSON` says the second time may be something else.
  return { id, json: `${rest.slice(0, -1)},"payload":${payloadJson(payload)}}` }
}

/** @internal */
export const isEventType = (type: unknown): type is string =>
  typeof type === 'string' && type.length <= 100 && TYPE.test(type)

function typesOf(types: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (types === undefined) return undefined
  if (!Array.isArray(types) || !types.every(isEventType)) {
    throw invalidOption('types', 'a list of event types: a-z, 0-9, "_", parts joined by "."')
  }
  return new Set(types)
}

/** JSON that jsonb takes: no NUL, no half of a surrogate pair, nothing circular, no bigint. */
function payloadJson(payload: unknown): string {
  const json = attempt(() => JSON.stringify(payload) as string | undefined)
  if (json === undefined) throw invalidField('payload', 'JSON, without bigints or circles')
  if (Buffer.byteLength(json) > MAX_PAYLOAD)
    throw invalidField('payload', `at most ${MAX_PAYLOAD} bytes of JSON`)
  if (isWrittenLonger(json, MAX_WRITTEN))
    throw invalidField('payload', `at most ${MAX_WRITTEN} bytes where every number has all its digits`)
  if (UNSTORABLE.test(json)) throw invalidField('payload', 'without NUL and halves of surrogate pairs')
  return json
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** As `JSON.stringify` writes what `jsonb` refuses: behind an even number of backslashes. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i
