import { isLevel } from '../../isolation/traits.ts'

// The shapes of what an archive says in JSON. It may come from elsewhere, and names and numbers of it become SQL and sizes:
// every part is looked at before any is used.

type Check = (value: unknown) => boolean

/** Characters of whatever has a name, and of a type; identifiers of PostgreSQL have 63 bytes. */
const MAX_NAME = 10_000

const text: Check = (value) => typeof value === 'string' && value.length <= MAX_NAME
/** No SQL can be made of an empty identifier, nor of one with a NUL. */
const identifier: Check = (value) => text(value) && value !== '' && !String(value).includes('\0')
const sql: Check = (value) => typeof value === 'string' && !value.includes('\0')
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const yesOrNo: Check = (value) => typeof value === 'boolean'
const hex: Check = (value) => typeof value === 'string' && /^[0-9a-f]{1,128}$/.test(value)
const instant: Check = (value) => text(value) && !Number.isNaN(Date.parse(String(value)))
/** A bigint, in decimal. */
const bigint: Check = (value) => typeof value === 'string' && /^-?[0-9]{1,19}$/.test(value)

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const all =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.every((check) => check(value))
const record =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return false
    const found = new Map(Object.entries(value))
    return Object.entries(fields).every(([name, check]) => check(found.get(name)))
  }

const unlike: Check = (items) => {
  const names = (items as readonly { readonly name: string }[]).map(({ name }) => name)
  return new Set(names).size === names.length
}

const column = record({ name: identifier, type: text })
const table = record({
  name: identifier,
  columns: all(list(column), unlike),
  partitioned: yesOrNo,
  computed: optional(list(identifier)),
  partitionOf: optional(record({ parent: identifier, bound: sql })),
})

/** What an archive, and a file of pg_dump, says of a tenant. */
export const isDescription: Check = record({
  tenant: identifier,
  schema: identifier,
  prefix: text,
  isolation: isLevel,
  serverVersion: count,
  createdAt: instant,
  snapshot: text,
  migrations: list(record({ id: identifier, checksum: text, appliedAt: instant })),
  tables: all(list(table), unlike),
  materializedViews: list(identifier),
  skipped: list(record({ name: text, kind: text })),
  structure: optional(list(record({ what: text, phase: count, sql }))),
  calls: optional(yesOrNo),
})

/** What was counted of it. */
export const isTally: Check = record({
  tables: list(
    record({
      name: identifier,
      rows: count,
      bytes: count,
      sha256: hex,
      rowsDigest: hex,
      computedDigest: optional(text),
    }),
  ),
  sequences: list(record({ name: identifier, lastValue: bigint, isCalled: yesOrNo })),
  rows: count,
  bytes: count,
})
