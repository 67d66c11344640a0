import { canonical, TooDeep } from '../json/canonical.ts'

/** @internal An entry as it is stored; times are text in UTC with microseconds, `jsonb` is its text. */
export interface StoredEntry {
  readonly id: string
  readonly tenant: string
  readonly xid: string
  /** Its number on the server that sealed it, where that was another. */
  readonly sealed_xid: string | null
  readonly created_at: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly action: string
  readonly entity_type: string | null
  readonly entity_id: string | null
  readonly request_id: string | null
  readonly changes: string | null
  readonly metadata: string | null
  readonly personal: string | null
  readonly mac: string
}

/** @internal Text throughout, so that no type parser of the caller's pool changes what codes are made over. */
export const STORED = `l.id::text as id, l.tenant, l.xid::text as xid, l.sealed_xid::text as sealed_xid,
  ${utc('l.created_at')} as created_at, l.actor_type, l.actor_id, l.action, l.entity_type, l.entity_id, l.request_id, l.changes::text as changes,
  l.metadata::text as metadata, l.personal, l.mac`

/** @internal A `timestamptz` as text that JavaScript's Date reads and PostgreSQL takes back unchanged. */
export function utc(column: string): string {
  return `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/** @internal What the application says of an entry: all but what the server adds when it is written. */
export type Signed = Omit<
  StoredEntry,
  'xid' | 'sealed_xid' | 'created_at' | 'mac' | 'changes' | 'metadata'
> & {
  readonly changes: unknown
  readonly metadata: unknown
}

/** @internal The text that an entry's code is made over. */
export function signedText(entry: Signed): string {
  const { id, tenant, actor_type, actor_id, action, entity_type, entity_id, request_id } = entry
  const { changes, metadata, personal } = entry
  const fields = [id, tenant, actor_type, actor_id, action, entity_type, entity_id, request_id]
  return canonical(['v1', ...fields, changes, metadata, personal])
}

/** @internal The same, of an entry read back. A tenant's SQL may have written what none of our programs would: no code is right for that. */
export function signedTextOf(entry: StoredEntry): string {
  try {
    return signedText({ ...entry, changes: parsed(entry.changes), metadata: parsed(entry.metadata) })
  } catch (error) {
    if (error instanceof TooDeep) return wholeText(entry)
    throw error
  }
}

/** In this order, because seals were made over it. */
const WHOLE =
  'id tenant xid created_at actor_type actor_id action entity_type entity_id request_id changes metadata personal mac'.split(
    ' ',
  )

function wholeText(entry: StoredEntry): string {
  return JSON.stringify({ ...entry, xid: entry.sealed_xid ?? entry.xid }, WHOLE)
}

/** @internal The text of a leaf: the entry with its code, and where and when it stands. */
export function leafText(entry: StoredEntry): string {
  return canonical([signedTextOf(entry), entry.mac, entry.sealed_xid ?? entry.xid, entry.created_at])
}

/** @internal */
export function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}
