import { invalidOption } from '../input/input.ts'

/** What becomes of a value in an event when somebody is erased: as of a column, where it may also stay (`ColumnRule`). */
export type EventRule = 'null' | 'text' | 'email' | { readonly value: string | number | boolean }

/** One type of event. Places in its payload are JSON Pointers (RFC 6901), in which a step `*` stands for each element of an array. */
export interface EventRules {
  /** Where the person's id is, as the subject columns have it. */
  readonly subject: string | readonly string[]
  /**
   * What is personal of them. Where it begins as the subject does, it is of the same element: `members`, `*`, `email` beside
   * `members`, `*`, `id` is the address of that member alone.
   */
  readonly paths: Readonly<Record<string, EventRule>>
}

/** Rules by event type; `keep`: it says nothing of a person but ids. */
export type PersonalEvents = Readonly<Record<string, EventRules | 'keep'>>

/** @internal Checked. */
export interface ParsedEventRules {
  readonly subjects: readonly Pointer[]
  readonly personal: readonly { readonly pointer: Pointer; readonly rule: EventRule }[]
}

type Pointer = readonly string[]
/** Where a value is: keys, and indexes of arrays as text, as PostgreSQL takes them. */
type Path = readonly string[]

/** @internal A personal value that is there. */
export interface PersonalValue {
  readonly path: Path
  readonly rule: EventRule
  readonly value: unknown
}

/** @internal @throws TenancyError INVALID_OPTION with type and path */
export function parseEvents(events: PersonalEvents): ReadonlyMap<string, ParsedEventRules | 'keep'> {
  if (typeof events !== 'object' || events === null) throw invalidOption('events', 'rules by event type')
  return new Map(
    Object.entries(events).map(([type, rules]) => [type, rules === 'keep' ? rules : parse(type, rules)]),
  )
}

function parse(type: string, rules: EventRules): ParsedEventRules {
  const { subject, paths } = rules ?? {}
  const subjects = typeof subject === 'string' ? [subject] : subject
  if (!Array.isArray(subjects) || subjects.length === 0)
    throw invalidOption(`events.${type}.subject`, 'a JSON Pointer, or several')
  if (typeof paths !== 'object' || paths === null)
    throw invalidOption(`events.${type}.paths`, 'rules by JSON Pointer')
  return {
    subjects: subjects.map((one) => pointerOf(one, `events.${type}.subject`)),
    personal: Object.entries(paths).map(([pointer, rule]) => {
      if (!isEventRule(rule))
        throw invalidOption(`events.${type}.paths.${pointer}`, 'null, text, email or { value }')
      return { pointer: pointerOf(pointer, `events.${type}.paths`), rule }
    }),
  }
}

function isEventRule(rule: unknown): rule is EventRule {
  if (['null', 'text', 'email'].includes(rule as string)) return true
  return ['string', 'number', 'boolean'].includes(typeof (rule as { value?: unknown } | null)?.value)
}

function pointerOf(text: unknown, option: string): Pointer {
  if (typeof text !== 'string' || !text.startsWith('/') || text.length > 500 || text.includes('\0'))
    throw invalidOption(option.slice(0, 100), 'JSON Pointers (RFC 6901), "/" in front')
  return text
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** @internal Whether the payload is about somebody. */
export function isAbout(payload: unknown, { subjects }: ParsedEventRules, id: string): boolean {
  return subjects.some((subject) => placesOf(payload, subject, id).length > 0)
}

/** @internal What is personal of somebody in a payload, erased or not. */
export function personalIn(payload: unknown, rules: ParsedEventRules, id: string): PersonalValue[] {
  const found = new Map<string, PersonalValue>()
  for (const subject of rules.subjects) {
    for (const place of placesOf(payload, subject, id)) {
      for (const { pointer, rule } of rules.personal) {
        for (const [path, value] of valuesAt(payload, boundTo(pointer, subject, place)))
          found.set(JSON.stringify(path), { path, rule, value })
      }
    }
  }
  return [...found.values()]
}

function placesOf(payload: unknown, subject: Pointer, id: string): Path[] {
  return valuesAt(payload, subject)
    .filter(([, value]) => (typeof value === 'string' || typeof value === 'number') && String(value) === id)
    .map(([path]) => path)
}

/** As far as both go the same way, it is the same element. */
function boundTo(pointer: Pointer, subject: Pointer, place: Path): Pointer {
  const parting = pointer.findIndex((step, at) => step !== subject[at])
  const shared = parting < 0 ? pointer.length : parting
  return [...place.slice(0, shared), ...pointer.slice(shared)]
}

function valuesAt(payload: unknown, pointer: Pointer, path: Path = []): [Path, unknown][] {
  const step = pointer[path.length]
  if (step === undefined) return payload === undefined ? [] : [[path, payload]]
  if (Array.isArray(payload)) {
    if (step === '*') return payload.flatMap((one, at) => valuesAt(one, pointer, [...path, String(at)]))
    return /^\d{1,9}$/.test(step) ? valuesAt(payload[Number(step)], pointer, [...path, step]) : []
  }
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, step)) return []
  return valuesAt((payload as Record<string, unknown>)[step], pointer, [...path, step])
}

const ERASED_EMAIL = /^erased-[0-9a-f-]{36}@erased\.invalid$/

/** @internal What stands there instead, unless it is erased already. */
export function erasedValue({ rule, value }: PersonalValue): { readonly to: unknown } | undefined {
  if (value === null) return undefined
  if (rule === 'null') return { to: null }
  if (rule === 'text') return value === 'erased' ? undefined : { to: 'erased' }
  if (rule !== 'email') return value === rule.value ? undefined : { to: rule.value }
  if (typeof value === 'string' && ERASED_EMAIL.test(value)) return undefined
  return { to: `erased-${crypto.randomUUID()}@erased.invalid` }
}
