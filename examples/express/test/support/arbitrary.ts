import fc, { type Arbitrary } from 'fast-check'
import type { Json, Operation } from './document.ts'
import { follow } from './document.ts'
import { Known, kindOf } from './known.ts'

/** Part of every text that is made up freely: no error may repeat it. Identifiers have neither capitals nor spaces. */
export const MARK = 'Zq9 Wx'
const MARK_IN_ADDRESS = 'zq9wx'
/** Finds either in an answer. */
export const SENT = /zq9[ +]?(%20)?wx/i

/** Values that fit a JSON Schema; where something real is likely to be meant, usually that. */
export function fitting(document: Json, operation: Operation, schema: Json, name = ''): Arbitrary<unknown> {
  const kind = kindOf(operation, name)
  const free = made(document, operation, schema, name)
  // An array asks for each of its items.
  if (kind === undefined || follow(document, schema).type === 'array') return free
  const known = fc.nat(9).map((at) => new Known(kind, at))
  return fc.oneof({ weight: 4, arbitrary: known }, { weight: 1, arbitrary: free })
}

function made(document: Json, operation: Operation, reference: Json, name: string): Arbitrary<unknown> {
  const schema = follow(document, reference)
  const inner = (one: unknown, of = name) => fitting(document, operation, one as Json, of)
  if (schema.enum) return fc.constantFrom(...(schema.enum as unknown[]))
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.anyOf) return fc.oneof(...(schema.anyOf as Json[]).map((one) => inner(one)))
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => inner({ ...schema, type })))
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer(boundsOf(schema))
    case 'number':
      return fc.double({ ...boundsOf(schema), noNaN: true, noDefaultInfinity: true })
    case 'string':
      return text(schema)
    case 'array':
      return fc.array(inner(schema.items), { minLength: Number(schema.minItems ?? 0), maxLength: 4 })
    case 'object':
      return record(schema, inner)
    default:
      throw new Error(`no values are made up for ${JSON.stringify(schema)}`)
  }
}

function record(schema: Json, inner: (one: unknown, name: string) => Arbitrary<unknown>): Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema
  if (schema.properties === undefined && typeof additionalProperties === 'object') {
    return fc.dictionary(text(propertyNames as Json), inner(additionalProperties, ''), { maxKeys: 4 })
  }
  const fields = Object.entries(properties as Json).map(([name, one]) => [name, inner(one, name)] as const)
  return fc.record(Object.fromEntries(fields), { requiredKeys: [...(required as string[])] })
}

/** Integers as far as JavaScript has them; both ends come often. */
function boundsOf({ minimum = -1e15, maximum = 1e15 }: Json): { min: number; max: number } {
  return { min: Number(minimum), max: Number(maximum) }
}

function text({ format, pattern, minLength = 0, maxLength }: Json): Arbitrary<string> {
  const [least, most] = [Number(minLength), Number(maxLength ?? 60)]
  if (format === 'uuid') return fc.uuid()
  if (format === 'email') return fc.nat().map((at) => `${MARK_IN_ADDRESS}${at}@fuzz.example`)
  if (format === 'date-time') {
    const [min, max] = [new Date('0001-01-02'), new Date('9999-12-30')]
    return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString())
  }
  // Some engines do not know lookaheads; what is left still makes short names.
  const shape = new RegExp(typeof pattern === 'string' ? pattern : '', 'u')
  // JSON Schema counts characters, not UTF-16 units.
  const fits = (one: string) => shape.test(one) && lengthOf(one) >= least && lengthOf(one) <= most
  if (!shape.test(`${MARK} é`)) {
    const simple = new RegExp(shape.source.replace(/\(\?=[^)]*\)/, ''), 'u')
    // How long it is, a pattern may say itself.
    const matching = fc.stringMatching(simple, { size: 'small' })
    return matching.filter(
      (one) =>
        shape.test(one) &&
        lengthOf(one) <= Number(maxLength ?? Number.POSITIVE_INFINITY) &&
        lengthOf(one) >= least,
    )
  }
  const filler = fc.string({ unit: 'grapheme', maxLength: Math.min(most, 40) })
  const short = filler.map((more) => `${MARK}${more}`.slice(0, most).trimEnd()).filter(fits)
  const longest = fc.constant(MARK.padEnd(Math.min(most, 5_000), 'x').slice(0, most)).filter(fits)
  return fc.oneof({ weight: 5, arbitrary: short }, { weight: 1, arbitrary: longest })
}

const lengthOf = (one: string) => [...one].length

/** Any character. (fast-check's own unit `binary` is a table of all of them, which takes seconds to fill.) */
const ANY_CHARACTER = fc
  .oneof(
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0xffff }),
    fc.integer({ min: 0x10000, max: 0x10ffff }),
  )
  .map((point) => String.fromCodePoint(point))

/** Texts that programs have choked on. */
export const ODD_TEXT = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    `${MARK}\0`,
    `${MARK}\ud800`,
    '\udfff',
    `${MARK}'; drop schema public cascade; --`,
    `${MARK}" or "a"="a`,
    `${MARK}\u202e\u2066`,
    `${MARK}\r\nX-Injected: yes`,
    '$1',
    '{{7*7}}',
    '../../etc/passwd',
    'constructor',
    '__proto__',
    'NaN',
    '1e400',
    '-1',
    '0x10',
    '9'.repeat(400),
    '𝕏'.repeat(150),
    MARK.repeat(400),
    '2026-02-30T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '00000000-0000-0000-0000-000000000000',
  ),
  fc.string({ unit: ANY_CHARACTER, maxLength: 30 }).map((more) => MARK + more),
)

/** Values of any type. */
export const ODD: Arbitrary<unknown> = fc.oneof(
  ODD_TEXT,
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    0.1,
    1e-300,
    1e15 + 0.5,
    2 ** 31,
    2 ** 53,
    2 ** 63,
    1e308,
    [],
    {},
    [[]],
    nested(200),
    Array.from({ length: 2_000 }, () => 'x'),
    JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}'),
  ),
  fc.jsonValue({ maxDepth: 3 }) as Arbitrary<unknown>,
)

function nested(depth: number): unknown {
  return depth === 0 ? MARK : [nested(depth - 1)]
}

/** Names of fields that nobody asked for. */
const UNKNOWN_NAMES = [
  'tenantId',
  'tenant',
  '__proto__',
  'constructor',
  'toString',
  'id',
  '',
  'a'.repeat(300),
  '\0',
  "x'--",
]

/** One thing wrong with a value that fits: a part replaced or left out, or a field too many. */
export function spoilt(value: Arbitrary<unknown>): Arbitrary<unknown> {
  const change = fc.record({ at: fc.nat(), how: fc.constantFrom('replace', 'remove', 'add'), odd: ODD })
  return fc.tuple(value, change, fc.constantFrom(...UNKNOWN_NAMES)).map(([whole, { at, how, odd }, name]) => {
    const places = placesIn(whole)
    return changed(whole, places[at % places.length] ?? [], (part) => {
      if (how === 'replace') return odd
      if (how === 'remove') return undefined
      return isRecord(part) ? withField(part, name, odd) : [part, odd]
    })
  })
}

type Place = readonly (string | number)[]

function placesIn(value: unknown, place: Place = []): Place[] {
  if (!isRecord(value) && !Array.isArray(value)) return [place]
  const inside = Object.entries(value).flatMap(([name, part]) => placesIn(part, [...place, name]))
  return [place, ...inside]
}

function changed(value: unknown, [step, ...rest]: Place, change: (part: unknown) => unknown): unknown {
  if (step === undefined) return change(value)
  const inner = (value as Record<string, unknown>)[step]
  if (Array.isArray(value))
    return value.map((one, at) => (String(at) === step ? changed(one, rest, change) : one))
  return withField(value as object, String(step), changed(inner, rest, change))
}

/** Also for `__proto__`, which an assignment would swallow. */
function withField(value: object, name: string, field: unknown): object {
  const copy: Record<string, unknown> = Object.assign(Object.create(null), value)
  copy[name] = field
  return copy
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Known)
}
