import type { Fleet } from '../fleet/fleet.ts'
import { qualify } from '../sql/identifier.ts'
import { FINGERPRINTS, LINES } from './drift-sql.ts'
import { type Look, readOnly } from './read-only.ts'

/** Options of {@link findDrift}. */
export interface DriftOptions {
  /** The tenant the others are compared with (default: those with the same migrations are compared with their majority). */
  readonly reference?: string
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

/** What {@link findDrift} resolves with. */
export interface DriftReport {
  readonly tenants: number
  /** How many differ; `drifts` describes the first of them. */
  readonly drifted: number
  readonly drifts: readonly Drift[]
}

interface Print {
  readonly key: string
  readonly print: string
  readonly version: string
}

/**
 * Compares the schemas of all tenants by a fingerprint each, made from the catalogue in one query; only those that differ
 * are read in full.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export function findDrift(fleet: Fleet, options: DriftOptions = {}): Promise<DriftReport> {
  return readOnly(fleet.adminPool, (look) => driftOf(look, fleet, options))
}

export async function driftOf(
  look: Look,
  { naming, registry, level }: Fleet,
  { reference, limit = 20 }: DriftOptions = {},
): Promise<DriftReport> {
  const [tenant, migration] = ['tenant', 'tenant_migration'].map((name) =>
    qualify(registry.controlSchema, name),
  )
  const values = (keys: readonly string[] | null) => [naming.schemaPrefix, naming.rolePrefix, keys, level]
  const prints = await look<Print>(FINGERPRINTS(tenant ?? '', migration ?? ''), values(null))
  const different = prints.flatMap((one) => {
    const like = referenceOf(prints, one, reference)
    return like && like.print !== one.print ? [{ tenant: one.key, reference: like.key }] : []
  })
  const described = different.slice(0, limit)
  const keys = [...new Set(described.flatMap((one) => [one.tenant, one.reference]))]
  const rows =
    keys.length === 0 ? [] : await look<{ key: string; line: string }>(LINES(tenant ?? ''), values(keys))
  const lines = new Map(
    keys.map((key) => [key, rows.filter((row) => row.key === key).map(({ line }) => line)]),
  )
  return {
    tenants: prints.length,
    drifted: different.length,
    drifts: described.map((one) => ({
      ...one,
      ...differences(lines.get(one.tenant), lines.get(one.reference)),
    })),
  }
}

const majorities = new WeakMap<readonly Print[], ReadonlyMap<string, Print>>()

/** Whom a tenant is compared with: the reference, or the first of the majority with the same migrations. */
function referenceOf(prints: readonly Print[], one: Print, reference: string | undefined): Print | undefined {
  if (reference !== undefined) return prints.find(({ key }) => key === reference)
  let found = majorities.get(prints)
  if (!found) {
    found = majoritiesOf(prints)
    majorities.set(prints, found)
  }
  return found.get(one.version)
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

function differences(
  mine: readonly string[] = [],
  theirs: readonly string[] = [],
): Pick<Drift, 'missing' | 'extra'> {
  const [have, want] = [new Set(mine), new Set(theirs)]
  return {
    missing: theirs.filter((line) => !have.has(line)),
    extra: mine.filter((line) => !want.has(line)),
  }
}
