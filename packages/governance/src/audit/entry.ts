import { invalidField, storable } from '../input/input.ts'
import { type Json, jsonOf } from '../json/canonical.ts'
import { isWrittenLonger } from '../json/written.ts'
import { type Change, type Diff, diff, type FieldRules, withoutSecrets } from './diff.ts'

/** Who did it. `operator`: somebody of the platform at work in the tenant; `system`: a job. */
export interface AuditActor {
  readonly type: 'user' | 'service' | 'operator' | 'system' | 'anonymous'
  /** Required but for `system` and `anonymous`. */
  readonly id?: string | null | undefined
}

/** What happened, as it is recorded. */
export interface AuditEntry {
  /** Passed, never looked up: what runs in somebody else's context must not be recorded in their name. */
  readonly actor: AuditActor
  /** The key of the `tool_action`, e.g. `users.user.create`; 1 to 200 characters. */
  readonly action: string
  /** What it was done to. */
  readonly entity?: { readonly type: string; readonly id: string } | undefined
  /** The entity before, and after; what differs is kept. Values of sensitive fields are left out. */
  readonly before?: object | undefined
  readonly after?: object | undefined
  /** Whatever else is of use, as JSON, up to 16 KiB; no personal data. Members whose name says secret are left out. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** The `X-Request-Id`. */
  readonly requestId?: string | undefined
  /** Where it came from; kept under a key of the actor. */
  readonly ip?: string | undefined
  readonly userAgent?: string | undefined
  /** Whose personal data the entry holds (default: the actor's), so that erasing them erases it here. */
  readonly subject?: string | undefined
}

/** @internal An entry that was checked. */
export interface CheckedEntry {
  readonly actor: { readonly type: AuditActor['type']; readonly id: string | null }
  readonly action: string
  readonly entityType: string | null
  readonly entityId: string | null
  readonly requestId: string | null
  readonly changes: Readonly<Record<string, Change>> | null
  readonly metadata: Json | null
  /** What is to be sealed for the subject. */
  readonly personal: Readonly<Record<string, unknown>> | null
  readonly subject: string
}

const ACTORS: readonly unknown[] = ['user', 'service', 'operator', 'system', 'anonymous']
const MAX_JSON = 16 * 1024
const MAX_CHANGES = 256 * 1024
const KNOWN: ReadonlySet<string> = new Set([
  'actor',
  'action',
  'entity',
  'before',
  'after',
  'metadata',
  'requestId',
  'ip',
  'userAgent',
  'subject',
] satisfies (keyof AuditEntry)[])

/**
 * @internal
 * @throws TenancyError VALIDATION_ERROR with the field's name
 */
export function checkEntry(entry: AuditEntry, rules: Readonly<Record<string, FieldRules>>): CheckedEntry {
  if (typeof entry !== 'object' || entry === null) throw invalidField('entry', 'an object')
  for (const name of Object.keys(entry))
    if (!KNOWN.has(name)) throw invalidField(name.slice(0, 40), 'left out')
  const { entity, before, after, metadata, ip, userAgent } = entry
  const actor = actorOf(entry.actor)
  const changed = diff(before, after, entity && Object.hasOwn(rules, entity.type) ? rules[entity.type] : {})
  return {
    actor,
    action: text(entry.action, 'action'),
    entityType: entity === undefined ? null : text(entity?.type, 'entity.type'),
    entityId: entity === undefined ? null : text(entity?.id, 'entity.id'),
    requestId: entry.requestId === undefined ? null : text(entry.requestId, 'requestId'),
    changes: changesOf(changed, before, after),
    metadata: metadata === undefined ? null : metadataOf(metadata),
    personal: personalOf(changed, ip, userAgent),
    subject: entry.subject === undefined ? `${actor.type}:${actor.id ?? ''}` : text(entry.subject, 'subject'),
  }
}

function actorOf(actor: unknown): CheckedEntry['actor'] {
  const { type, id = null } = (actor ?? {}) as { type?: unknown; id?: unknown }
  if (!ACTORS.includes(type)) throw invalidField('actor.type', 'user, service, operator, system or anonymous')
  const kind = type as AuditActor['type']
  if (id === null && (kind === 'system' || kind === 'anonymous')) return { type: kind, id: null }
  return { type: kind, id: text(id, 'actor.id') }
}

function text(value: unknown, field: string, max = 200): string {
  if (typeof value === 'string' && value !== '' && value.length <= max && storable(value)) return value
  throw invalidField(field, `a text of 1 to ${max} characters`)
}

function changesOf({ open }: Diff, before: unknown, after: unknown): CheckedEntry['changes'] {
  if (before === undefined && after === undefined) return null
  requireSize(open)
  return open
}

function requireSize(changes: Diff['open']): void {
  if (!fits(changes, MAX_CHANGES)) throw invalidField('after', `a change of up to ${MAX_CHANGES} bytes`)
}

/** Also where it is written with all digits of its numbers: twice that is for spaces and what is not letters. */
function fits(value: unknown, bytes: number): boolean {
  const json = JSON.stringify(value)
  return json.length <= bytes && !isWrittenLonger(json, 2 * bytes)
}

function metadataOf(metadata: unknown): Json {
  const copy = jsonOf(metadata)
  const isObject = typeof copy === 'object' && copy !== null && !Array.isArray(copy)
  if (!isObject || !fits(copy, MAX_JSON)) {
    throw invalidField('metadata', `an object that JSON can hold, of up to ${MAX_JSON} bytes`)
  }
  return withoutSecrets(copy) as Json
}

function personalOf(changed: Diff, ip: unknown, userAgent: unknown): CheckedEntry['personal'] {
  const changes = Object.keys(changed.personal).length > 0 && { changes: changed.personal }
  if (changes) requireSize(changed.personal)
  const parts = {
    ...(ip !== undefined && { ip: text(ip, 'ip', 64) }),
    ...(userAgent !== undefined && { userAgent: clipped(userAgent) }),
    ...changes,
  }
  return Object.keys(parts).length === 0 ? null : parts
}

/** A browser says what it likes, at any length. */
function clipped(value: unknown): string {
  if (typeof value !== 'string') throw invalidField('userAgent', 'a text')
  return value.slice(0, 500).toWellFormed().replaceAll('\0', '')
}
