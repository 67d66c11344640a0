import { TenancyError } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { qualify } from '../../sql/identifier.ts'
import { scan } from '../../sql/scan.ts'
import { readNames, readTables } from '../catalog.ts'
import type { ArchivedTable, ArchiveManifest } from '../format/manifest.ts'
import type { Place } from '../place.ts'

/**
 * Compares what the migrations made with what the archive holds, and makes the partitions that the application had made
 * at run time.
 *
 * @returns the tables that are there now
 * @throws TenancyError CONFLICT when the archive holds data that has no place
 */
export async function matchTables(
  admin: Admin,
  place: Place,
  { tables }: ArchiveManifest,
): Promise<ArchivedTable[]> {
  let found = byName(await readTables(admin, place))
  const missing = tables.filter(({ name }) => !found.has(name))
  for (const table of missing) await createPartition(admin, place, table, found)
  if (missing.some(({ partitionOf }) => partitionOf)) found = byName(await readTables(admin, place))
  const drift = tables.flatMap((table) => differences(table, found.get(table.name)))
  if (drift.length > 0) throw drifted(drift)
  return [...found.values()]
}

/** @throws TenancyError CONFLICT */
export async function matchSequences(admin: Admin, place: Place, names: readonly string[]): Promise<void> {
  const there = new Set(await readNames(admin, place, 'S'))
  const drift = names.filter((name) => !there.has(name)).map((name) => `sequence ${name}`)
  if (drift.length > 0) throw drifted(drift)
}

function byName(tables: readonly ArchivedTable[]): Map<string, ArchivedTable> {
  return new Map(tables.map((table) => [table.name, table]))
}

// Bounds as pg_get_expr writes them: these words, literals, and what stands between. The text comes from a file and becomes SQL,
// so nothing else passes.
const WORDS = new Set(
  'default for values in from to with modulus remainder minvalue maxvalue null true false'.split(' '),
)
const BETWEEN = new Set(['(', ')', ',', '-'])

function isBound(text: string): boolean {
  try {
    return scan(text).every(({ kind, text: token }) => {
      if (kind === 'word') return WORDS.has(token)
      return kind === 'string' || kind === 'number' || (kind === 'symbol' && BETWEEN.has(token))
    })
  } catch {
    return false
  }
}

async function createPartition(
  admin: Admin,
  { schema, tenantColumn }: Place,
  { name, partitionOf, partitioned }: ArchivedTable,
  found: ReadonlyMap<string, ArchivedTable>,
): Promise<void> {
  // What is not made here is reported as missing. Nobody's restore changes tables that others share.
  if (tenantColumn !== undefined) return
  if (!partitionOf || partitioned || !found.get(partitionOf.parent)?.partitioned) return
  if (!isBound(partitionOf.bound)) return
  const [child, parent] = [qualify(schema, name), qualify(schema, partitionOf.parent)]
  await admin.run(`create table ${child} partition of ${parent} ${partitionOf.bound}`)
}

function differences(table: ArchivedTable, found: ArchivedTable | undefined): string[] {
  if (!found) return [`table ${table.name}`]
  if (found.partitioned !== table.partitioned) return [`table ${table.name} (partitioned or not)`]
  const types = new Map(found.columns.map(({ name, type }) => [name, type]))
  return table.columns.flatMap(({ name, type }) => {
    const there = types.get(name)
    if (there === type) return []
    return there === undefined
      ? [`column ${table.name}.${name}`]
      : [`column ${table.name}.${name} (${type} in the archive, ${there} now)`]
  })
}

/** Differences named in an error; the rest is counted. */
const NAMED = 20

function drifted(drift: readonly string[]): TenancyError {
  const named = drift.slice(0, NAMED).join(', ')
  const more = drift.length > NAMED ? ` and ${drift.length - NAMED} more` : ''
  return new TenancyError(
    'CONFLICT',
    `The archive holds what the migrations do not make: ${named}${more}. Nothing was restored. These were made outside ` +
      'migrations: add a migration that makes them, apply it, and back up again; or restore with pg_restore.',
    { details: { reason: 'drift', drift: named, count: drift.length } },
  )
}
