import { setTimeout as pause } from 'node:timers/promises'
import { codedControl, type Queryable, TenancyError, type TenantKey, type TenantQueryable } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { changedJson } from '../outbox/functions/redact.ts'
import type { Outbox } from '../outbox/publish.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { erasedValue, isAbout, type ParsedEventRules, personalIn } from './event-rules.ts'
import type { PersonalData } from './personal-data.ts'

/** Where events are: what `outbox` gave, or the same two facts. */
export type OutboxPlace = Pick<Outbox, 'isolation' | 'controlSchema'>

/** An event as it is kept somewhere, and what its payload says. */
interface Kept {
  readonly place: string
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly at: string
}

interface Queued extends Kept {
  readonly xid: string | null
  readonly seq: string | null
  readonly since: string
}

/** What of a person an event says, for export. */
type ToldOf = {
  readonly id: string
  readonly type: string
  /** ISO 8601 */
  readonly at: string
  /** By JSON Pointer. */
  readonly personal: Readonly<Record<string, unknown>>
}

/** Looked for anywhere in the text, however deep; whether it stands where the rules say is asked of those that have it. */
const HAS = (payload: string) => `strpos(${payload}::text, $3::text) > 0`
const AT = (column: string) => `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`

const FIND = (
  schema: string,
) => `with now as materialized (select pg_snapshot_xmin(pg_current_snapshot())::text as since)
  select 'outbox' as place, o.id, o.type, o.payload::text as payload, o.xid::text as xid, o.seq::text as seq, n.since, ${AT('o.published_at')}
  from now n, ${schema}.outbox o where o.tenant = $1 and o.type = any ($2::text[]) and ${HAS('o.payload')}
  union all
  select 'outbox_waiting', w.id, w.type, w.payload::text, null, null, n.since, ${AT('w.published_at')}
  from now n, ${schema}.outbox_waiting w where w.tenant = $1 and w.type = any ($2) and ${HAS('w.payload')}
  union all
  select 'outbox_dead', d.id, d.type, d.payload::text, null, null, n.since, ${AT('d.published_at')}
  from now n, ${schema}.outbox_dead d where d.tenant = $1 and d.type = any ($2) and ${HAS('d.payload')}`

/** How often events are looked for anew. */
const ROUNDS = 20

/** @internal Events in the control schema. */
export interface QueuedEvents {
  export(tenant: TenantKey, id: string): Promise<Record<string, ToldOf[]>>
  count(tenant: TenantKey, id: string): Promise<Record<string, number>>
  /** @returns rows by table, and the leases of workers that have such events in their hands */
  erase(
    tenant: TenantKey,
    id: string,
  ): Promise<{ readonly rows: Record<string, number>; readonly leases: ReadonlySet<string> }>
  /** Those of the leases that are not over. */
  open(leases: Iterable<string>): Promise<ReadonlySet<string>>
}

export function queuedEvents(control: Queryable, place: OutboxPlace, data: PersonalData): QueuedEvents {
  const asked = codedControl(control, 'installOutbox(admin, { workers: [role] })')
  const schema = quoteIdentifier(parseControlSchema(place.controlSchema))
  const rules = rulesOf(data)
  const find = async (tenant: TenantKey, id: string) => {
    const { rows } = await asked.query<Queued>(FIND(schema), [tenant, [...rules.keys()], wanted(id)])
    return about(rows, rules, id)
  }
  return {
    export: async (tenant, id) => toldOf(await find(tenant, id), rules, id),
    count: async (tenant, id) =>
      countOf((await find(tenant, id)).filter((one) => changesOf(one, rules, id).length > 0)),
    erase: async (tenant, id) => {
      const leases = new Set<string>()
      const changed: Queued[] = []
      // What a worker copied meanwhile is found the next time round.
      for (let round = 0; round < ROUNDS; round += 1) {
        const found = await find(tenant, id)
        const todo = found.map((one) => ({ ...one, changes: changesOf(one, rules, id) })).filter(hasChanges)
        const { rows } = await asked.query<{ lease: string }>(
          `select lease::text as lease from ${schema}.outbox_redact($1, $2::text::xid8, $3::uuid[], $4::jsonb) as lease`,
          [tenant, found[0]?.since ?? '3', found.map((one) => one.id), JSON.stringify(todo.map(sent))],
        )
        for (const { lease } of rows) leases.add(lease)
        changed.push(...todo)
        if (todo.length === 0) return { rows: countOf(changed), leases }
      }
      throw new TenancyError(
        'CONFLICT',
        'Events about the person are published all the time. Stop that, then repeat it.',
      )
    },
    open: async (leases) => {
      const { rows } = await asked.query<{ id: string }>(
        `select id::text as id from ${schema}.outbox_lease where id = any ($1::int8[]) and not over`,
        [[...leases]],
      )
      return new Set(rows.map(({ id }) => id))
    },
  }
}

const sent = ({ id, xid, seq, changes }: Queued & { changes: readonly Change[] }) => ({
  id,
  xid,
  seq,
  changes,
})
const hasChanges = ({ changes }: { readonly changes: readonly Change[] }) => changes.length > 0

/** @internal Waits until handlers are done with what they had read, for so long. @returns how many are not */
export async function inHand(
  leases: ReadonlySet<string>,
  queue: Pick<QueuedEvents, 'open'> | undefined,
  patience: number,
): Promise<number> {
  const until = performance.now() + patience
  let open = leases
  while (open.size > 0 && queue !== undefined) {
    open = await queue.open(open)
    if (open.size === 0 || performance.now() > until) break
    await pause(50)
  }
  return open.size
}

/** Messages to webhooks, and at level `database` the outbox, which are the tenant's own tables. */
const MESSAGES = 'webhook_message'
const IN_TENANT = (table: string, at: string, lock = '') =>
  `select '${table}' as place, t.id, t.type, t.payload::text as payload, ${AT(`t.${at}`)} from ${table} t
    where t.type = any ($2::text[]) and $1::text is not null and ${HAS('t.payload')}${lock}`
const CHANGE = (table: string) =>
  `update ${table} t set payload = ${changedJson('t.payload', '$2::jsonb')} where t.id = $1::uuid`
const THERE = `select to_regclass('${MESSAGES}') is not null as there`

/** @internal Events in the tenant's own tables, in its scope. */
export interface OwnEvents {
  export(db: TenantQueryable, id: string): Promise<Record<string, ToldOf[]>>
  erase(db: TenantQueryable, id: string, dryRun: boolean): Promise<Record<string, number>>
  /** Level `database`: those that no worker has fetched yet. */
  eraseOutbox(
    scope: (fn: (db: TenantQueryable) => Promise<Record<string, number>>) => Promise<Record<string, number>>,
    id: string,
  ): Promise<Record<string, number>>
}

export function ownEvents({ isolation }: OutboxPlace, data: PersonalData): OwnEvents {
  const rules = rulesOf(data)
  const find = async (db: TenantQueryable, text: string, id: string) => {
    const { rows } = await db.query<Kept>(text, [db.tenant, [...rules.keys()], wanted(id)])
    return about(rows, rules, id)
  }
  const messages = async (db: TenantQueryable, id: string, lock = '') => {
    const { rows } = await db.query<{ there: boolean }>(THERE)
    return rows[0]?.there === true ? await find(db, IN_TENANT(MESSAGES, 'created_at', lock), id) : []
  }
  const outboxOf = (db: TenantQueryable, id: string, lock = '') =>
    isolation === 'database' ? find(db, IN_TENANT('outbox', 'published_at', lock), id) : Promise.resolve([])
  const change = async (db: TenantQueryable, found: readonly Kept[], id: string, dryRun: boolean) => {
    const changed = found.map((one) => ({ ...one, changes: changesOf(one, rules, id) })).filter(hasChanges)
    for (const { place, id: which, changes } of dryRun ? [] : changed)
      await db.query(CHANGE(place), [which, JSON.stringify(changes)])
    return countOf(changed)
  }
  return {
    export: async (db, id) => ({
      ...toldOf(await messages(db, id), rules, id),
      ...toldOf(await outboxOf(db, id), rules, id),
    }),
    erase: async (db, id, dryRun) => {
      const lock = dryRun ? '' : ' for update'
      const found = [...(await messages(db, id, lock)), ...(dryRun ? await outboxOf(db, id) : [])]
      return await change(db, found, id, dryRun)
    },
    eraseOutbox: async (scope, id) =>
      isolation === 'database'
        ? await scope(async (db) => change(db, await outboxOf(db, id, ' for update'), id, false))
        : {},
  }
}

/** The id as it stands in JSON, be it text or a number. */
const wanted = (id: string): string => JSON.stringify(id).slice(1, -1)

function rulesOf({ events = new Map() }: PersonalData): ReadonlyMap<string, ParsedEventRules> {
  const all = [...events].filter((entry): entry is [string, ParsedEventRules] => entry[1] !== 'keep')
  return new Map(all)
}

function about<One extends Kept>(
  rows: readonly One[],
  rules: ReadonlyMap<string, ParsedEventRules>,
  id: string,
): One[] {
  return rows.filter(({ type, payload }) => {
    const own = rules.get(type)
    return own !== undefined && isAbout(JSON.parse(payload), own, id)
  })
}

interface Change {
  readonly at: readonly string[]
  readonly to: unknown
}

function changesOf(
  { type, payload }: Kept,
  rules: ReadonlyMap<string, ParsedEventRules>,
  id: string,
): Change[] {
  const own = rules.get(type)
  if (own === undefined) return []
  return personalIn(JSON.parse(payload), own, id).flatMap((value) => {
    const erased = erasedValue(value)
    return erased === undefined ? [] : [{ at: value.path, to: erased.to }]
  })
}

function toldOf(
  found: readonly Kept[],
  rules: ReadonlyMap<string, ParsedEventRules>,
  id: string,
): Record<string, ToldOf[]> {
  const all: Record<string, ToldOf[]> = {}
  for (const { place, id: event, type, at, payload } of found) {
    const own = rules.get(type) as ParsedEventRules
    const personal = personalIn(JSON.parse(payload), own, id).map(({ path, value }) => [pointer(path), value])
    all[place] = [...(all[place] ?? []), { id: event, type, at, personal: Object.fromEntries(personal) }]
  }
  return all
}

const pointer = (path: readonly string[]) =>
  path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

function countOf(found: readonly Kept[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { place } of found) counts[place] = (counts[place] ?? 0) + 1
  return counts
}
