import { createHash } from 'node:crypto'
import { TenancyError } from '@org/core'
import { rolePrefixAt } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'
import { inOneWording } from '../sql/same-words.ts'
import type { Collected } from './collected.ts'
import { FINGERPRINTS, LINES, type Lines, PARTS, SAID } from './drift-sql.ts'
import { type Look, releasingLocks } from './read-only.ts'

/** Options of {@link driftOf}. */
export interface DriftOptions {
  /** The tenant the others are compared with (default: those with the same migrations are compared with their majority). */
  readonly reference?: string | undefined
  /** At most so many tenants are described (default 20). */
  readonly limit?: number
}

/** How one tenant's schema differs from that of the others with the same migrations. */
export interface Drift {
  readonly tenant: string
  /** The tenant it was compared with. */
  readonly reference: string
  /** What the reference has and it lacks, one line for each thing; a thing that differs is in both lists. */
  readonly missing: readonly string[]
  readonly extra: readonly string[]
}

/** What {@link driftOf} resolves with. */
export interface DriftReport {
  readonly tenants: number
  /** How many differ; `drifts` describes the first of them. */
  readonly drifted: number
  readonly drifts: readonly Drift[]
}

/** A tenant's schema in short. */
export interface Print {
  readonly key: string
  print: string
  /** The migrations it has, in short. */
  readonly version: string
}

/** A line of a tenant's schema at length. */
export interface Line {
  readonly key: string
  readonly line: string
}

/**
 * Compares the schemas of all tenants by a fingerprint each, made from the catalogue in one query; only those that differ
 * are read in full.
 *
 * @throws TenancyError TENANT_NOT_FOUND when there is no tenant `reference`
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function driftOf(
  look: Look,
  { naming, registry, level }: Lifecycle,
  options: DriftOptions = {},
): Promise<DriftReport> {
  const [tenant = '', migration = ''] = ['tenant', 'tenant_migration'].map((name) =>
    qualify(registry.controlSchema, name),
  )
  const values = (keys: readonly string[] | null) => [
    naming.schemaPrefix,
    rolePrefixAt(naming, level),
    keys,
    level,
  ]
  const ask = (keys: readonly string[] | null, lines: Lines) =>
    releasingLocks(look, () => look<Print>(FINGERPRINTS(tenant, migration, lines), values(keys)))
  const parts = await partsOf(look, PARTS(tenant), [naming.schemaPrefix, level])
  const prints = parts.length === 0 ? await ask(null, 'all') : await ask(null, 'plain')
  const rest = new Map<string, string>()
  for (const keys of parts) for (const { key, print } of await ask(keys, 'locking')) rest.set(key, print)
  for (const one of prints) one.print += rest.get(one.key) ?? ''
  return await compare(prints, options, (keys) =>
    releasingLocks(look, () => look<Line>(LINES(tenant), values(keys))),
  )
}

/**
 * None, and the whole fleet is asked about in one query, as long as its views are few: to write a view's definition
 * PostgreSQL locks what the view reads, and keeps that lock until it is released.
 */
async function partsOf(look: Look, sql: string, values: readonly unknown[]): Promise<readonly string[][]> {
  const [found] = await look<{ parts: number; keys: string[] | null }>(sql, values)
  const { parts = 1, keys } = found ?? {}
  if (parts <= 1 || !keys) return []
  const size = Math.ceil(keys.length / parts)
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, at) =>
    keys.slice(at * size, (at + 1) * size),
  )
}

/** Says who differs, and how; `linesOf` is asked for those that are described. */
export async function compare(
  prints: readonly Print[],
  { reference, limit = 20 }: DriftOptions,
  linesOf: (keys: readonly string[]) => Promise<readonly Line[]>,
): Promise<DriftReport> {
  const referenceOf = referencesOf(prints, reference)
  const different = prints.flatMap((one) => {
    const like = referenceOf(one)
    return like && like.print !== one.print ? [{ id: `${one.print} ${like.key}`, one, like }] : []
  })
  // Tenants of one print are alike: one of them is read, until enough are found that differ by more than wording.
  const unread = new Map(different.map((pair) => [pair.id, pair]))
  const found = new Map<string, Difference>()
  for (let real = 0; real < limit && unread.size > 0; ) {
    const some = [...unread.values()].slice(0, limit)
    const keys = [...new Set(some.flatMap(({ one, like }) => [one.key, like.key]))]
    const lines = new Map(keys.map((key) => [key, [] as string[]]))
    for (const { key, line } of await linesOf(keys)) lines.get(key)?.push(line)
    for (const { id, one, like } of some) {
      unread.delete(id)
      const difference = differences(lines.get(one.key), lines.get(like.key))
      found.set(id, difference)
      if (isReal(difference)) real++
    }
  }
  const drifted = different.filter(({ id }) => isReal(found.get(id)))
  const drifts = drifted.flatMap(({ id, one, like }) => {
    const told = found.get(id)
    return told ? [{ tenant: one.key, reference: like.key, ...told }] : []
  })
  return { tenants: prints.length, drifted: drifted.length, drifts: drifts.slice(0, limit) }
}

type Difference = Pick<Drift, 'missing' | 'extra'>

/** What nobody has read is taken for one. */
const isReal = (difference: Difference | undefined): boolean =>
  difference === undefined || difference.missing.length + difference.extra.length > 0

/** Whom a tenant is compared with: the reference, or the first of the majority with the same migrations. */
function referencesOf(
  prints: readonly Print[],
  reference: string | undefined,
): (one: Print) => Print | undefined {
  if (reference === undefined) {
    const majorities = majoritiesOf(prints)
    return ({ version }) => majorities.get(version)
  }
  const found = prints.find(({ key }) => key === reference)
  if (found) return () => found
  throw new TenancyError('TENANT_NOT_FOUND', 'There is no tenant of that key to compare the others with.', {
    details: { option: 'reference' },
  })
}

function majoritiesOf(prints: readonly Print[]): ReadonlyMap<string, Print> {
  const groups = new Map<string, { first: Print; count: number }>()
  for (const print of prints) {
    const group = groups.get(`${print.version} ${print.print}`)
    if (group) group.count++
    else groups.set(`${print.version} ${print.print}`, { first: print, count: 1 })
  }
  const best = new Map<string, { first: Print; count: number }>()
  for (const group of groups.values()) {
    const { version, key } = group.first
    const other = best.get(version)
    const more = !other || group.count > other.count || (group.count === other.count && key < other.first.key)
    if (more) best.set(version, group)
  }
  return new Map([...best].map(([version, { first }]) => [version, first]))
}

function differences(mine: readonly string[] = [], theirs: readonly string[] = []): Difference {
  return { missing: linesWithout(theirs, mine), extra: linesWithout(mine, theirs) }
}

/**
 * The lines that the others have in no wording: what came from a dump, or was restored, reads otherwise than what a migration made.
 *
 * @param lines at length
 * @returns as people read them
 */
export function linesWithout(lines: readonly string[], others: readonly string[]): string[] {
  const literal = new Set(others)
  const rest = lines.filter((line) => !literal.has(line))
  if (rest.length === 0) return []
  const there = new Set(others.map(inOneWay))
  return rest.filter((line) => !there.has(inOneWay(line))).map(forPeople)
}

function inOneWay(line: string): string {
  const [head = '', ...said] = line.split(SAID)
  return [head, ...said.map(inOneWording)].join(SAID)
}

/** What is long, as a view is, as a digest. */
function forPeople(line: string): string {
  const text = line.replaceAll(SAID, '')
  if (text.length <= LONGEST) return text
  const [head = ''] = line.split(SAID)
  return `${head} ${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
}

const LONGEST = 300

/** What differs, as findings. */
export function addDrift({ drifted, drifts }: DriftReport, collected: Collected): void {
  const list = (lines: readonly string[]) =>
    lines.slice(0, 5).join('; ') + (lines.length > 5 ? `; and ${lines.length - 5} more` : '')
  for (const { tenant, reference, missing, extra } of drifts) {
    const parts = [
      missing.length > 0 && `lacks ${list(missing)}`,
      extra.length > 0 && `has instead ${list(extra)}`,
    ]
    collected.add({
      code: 'DRIFT',
      severity: 'warning',
      subject: tenant,
      message: `${tenant} is not like ${reference}, though both have the same migrations: ${parts.filter(Boolean).join(', and ')}.`,
      fix: 'Put it right by hand, or write a migration that does so for everybody.',
    })
  }
  collected.count('DRIFT', drifted - drifts.length)
}
