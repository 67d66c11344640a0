import { integerField, type Queryable, type TenantKey } from '@org/core'
import { invalidField, storable } from '../input/input.ts'
import { isMoment, momentOf } from '../input/moment.ts'
import type { Json } from '../json/canonical.ts'
import type { Change } from './diff.ts'
import type { AuditActor } from './entry.ts'
import { openPersonal, type PersonalSealing } from './personal.ts'
import { parsed, STORED, type StoredEntry } from './row.ts'

/** Which entries: all that are given must fit. */
export interface AuditFilter {
  readonly actor?: string | undefined
  readonly actorType?: AuditActor['type'] | undefined
  readonly action?: string | undefined
  readonly entityType?: string | undefined
  readonly entityId?: string | undefined
  readonly requestId?: string | undefined
  /** From this moment on, as a Date or in ISO 8601. */
  readonly createdAtFrom?: Date | string | undefined
  /** Before this moment. */
  readonly createdAtTo?: Date | string | undefined
}

export interface AuditPageOptions extends AuditFilter {
  /** 1 to 200 (default 50). */
  readonly limit?: number | undefined
  /** `meta.nextCursor` of the page before. */
  readonly cursor?: string | undefined
  /** Whether ip, user agent and changes of personal fields are opened as well (default `false`). */
  readonly personal?: boolean | undefined
}

/** An entry as it is read, newest first. */
export interface AuditRecord {
  readonly id: string
  /** ISO 8601 in UTC, with microseconds. */
  readonly createdAt: string
  readonly actor: { readonly type: AuditActor['type']; readonly id: string | null }
  readonly action: string
  readonly entity: { readonly type: string; readonly id: string } | null
  readonly requestId: string | null
  readonly changes: Readonly<Record<string, Change>> | null
  readonly metadata: Json | null
  readonly ip?: string
  readonly userAgent?: string
}

export interface AuditPage {
  readonly data: readonly AuditRecord[]
  readonly meta: { readonly nextCursor: string | null; readonly hasMore: boolean }
}

/** Unnamed statements are planned with their values, so that a filter which is null costs nothing. */
const pageSql = (table: string) => `select ${STORED} from ${table} l
  where l.tenant = $1::text
    and ($2::timestamptz is null or (l.created_at, l.id) < ($2::timestamptz, $3::uuid))
    and ($4::text is null or l.actor_id = $4::text)
    and ($5::text is null or l.actor_type = $5::text)
    and ($6::text is null or l.action = $6::text)
    and ($7::text is null or l.entity_type = $7::text)
    and ($8::text is null or l.entity_id = $8::text)
    and ($9::text is null or l.request_id = $9::text)
    and ($10::timestamptz is null or l.created_at >= $10::timestamptz)
    and ($11::timestamptz is null or l.created_at < $11::timestamptz)
  order by l.created_at desc, l.id desc limit $12::integer`

/** @internal See `AuditLog.list`. */
export async function listEntries(
  control: Queryable,
  table: string,
  tenant: TenantKey,
  options: AuditPageOptions,
  sealing: PersonalSealing | undefined,
): Promise<AuditPage> {
  const { limit = 50, cursor, personal = false } = options
  integerField('limit', limit, 1, 200)
  const after = cursor === undefined ? [null, null] : parseCursor(cursor)
  const { rows } = await control.query<StoredEntry>(pageSql(table), [
    tenant,
    ...after,
    ...FILTERS.map((name) => textFilter(options, name)),
    momentOf(options.createdAtFrom, 'createdAtFrom'),
    momentOf(options.createdAtTo, 'createdAtTo'),
    limit + 1,
  ])
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const hasMore = rows.length > limit
  return {
    data: await Promise.all(shown.map((row) => recordOf(row, personal ? sealing : undefined))),
    meta: { hasMore, nextCursor: hasMore && last ? cursorOf(last) : null },
  }
}

const FILTERS = ['actor', 'actorType', 'action', 'entityType', 'entityId', 'requestId'] as const

function textFilter(options: AuditPageOptions, name: (typeof FILTERS)[number]): string | null {
  const value: unknown = options[name]
  if (value === undefined) return null
  if (typeof value === 'string' && value.length <= 200 && storable(value)) return value
  throw invalidField(name, 'a text of up to 200 characters')
}

const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

function cursorOf({ created_at, id }: StoredEntry): string {
  return Buffer.from(created_at + id).toString('base64url')
}

function parseCursor(cursor: unknown): [string, string] {
  const text =
    typeof cursor === 'string' && cursor.length <= 200 ? Buffer.from(cursor, 'base64url').toString() : ''
  const [, at, id] = CURSOR.exec(text) ?? []
  if (at !== undefined && id !== undefined && isMoment(at)) return [at, id]
  throw invalidField('cursor', 'meta.nextCursor of the page before')
}

/** @internal */
export async function recordOf(row: StoredEntry, sealing: PersonalSealing | undefined): Promise<AuditRecord> {
  const opened = await openPersonal(sealing, row.tenant as TenantKey, row.personal)
  const { ip, userAgent, changes } = (opened ?? {}) as {
    ip?: string
    userAgent?: string
    changes?: Record<string, Change>
  }
  const open = parsed(row.changes) as Record<string, Change> | null
  return {
    id: row.id,
    createdAt: row.created_at,
    actor: { type: row.actor_type as AuditActor['type'], id: row.actor_id },
    action: row.action,
    entity: row.entity_type === null ? null : { type: row.entity_type, id: String(row.entity_id) },
    requestId: row.request_id,
    changes: changes === undefined ? open : { ...open, ...changes },
    metadata: parsed(row.metadata) as Json | null,
    ...(ip !== undefined && { ip }),
    ...(userAgent !== undefined && { userAgent }),
  }
}
