import { TenancyError } from '@org/core'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { copySource } from '../catalog.ts'
import type { AdminClient } from '../client.ts'
import { digestComputed } from '../computed.ts'
import { copyOut } from '../copy.ts'
import type { ArchivedTable, TableSummary } from '../format/manifest.ts'
import type { Place } from '../place.ts'
import { asReader, ownerOf } from '../readers.ts'
import { RowDigest } from '../row-digest.ts'

/**
 * Reads every table back as the backup did, and compares rows, bytes and digest with what the archive says.
 *
 * @throws TenancyError INTERNAL_ERROR
 */
export async function verifyData(
  admin: AdminClient,
  place: Place,
  tables: readonly ArchivedTable[],
  summaries: readonly TableSummary[],
): Promise<void> {
  for (const [index, table] of tables.entries())
    requireSameRows(table.name, await readBack(admin, place, [table]), summaries[index])
}

/** What is in some tables, as the backup would read it. */
export async function readBack(
  admin: AdminClient,
  place: Place,
  tables: readonly ArchivedTable[],
): Promise<RowDigest> {
  const found = new RowDigest()
  for (const table of tables) {
    if (table.partitioned) continue
    await asReader(ownerOf(admin, place), place, table, (client) =>
      copyOut(
        client,
        `copy ${place.distributed ? asQuery(place, table) : copySource(place, table)} to stdout`,
        (piece, first, last) => {
          found.add(piece, first, last)
          return undefined
        },
      ),
    )
  }
  return found
}

/** Citus reads a table on a connection of its own, which sees nothing of this transaction. What it plans here the migrations have made. */
function asQuery({ schema }: Place, { name, columns }: ArchivedTable): string {
  return `(select ${columns.map((column) => quoteIdentifier(column.name)).join(', ')} from ${qualify(schema, name)})`
}

/** @throws TenancyError INTERNAL_ERROR */
export function requireSameRows(
  table: string,
  found: RowDigest,
  expected: Pick<TableSummary, 'rows' | 'bytes' | 'rowsDigest'> | undefined,
): void {
  const same =
    found.rows === expected?.rows && found.bytes === expected.bytes && found.hex() === expected.rowsDigest
  if (!same) throw different(table, found.rows, expected?.rows ?? 0)
}

/**
 * The same of stored generated columns, which no COPY has: what they were computed from may have changed since, or be in
 * another table.
 *
 * @throws TenancyError INTERNAL_ERROR
 */
export async function verifyComputed(
  admin: AdminClient,
  place: Place,
  tables: readonly ArchivedTable[],
  summaries: readonly TableSummary[],
): Promise<void> {
  for (const [index, table] of tables.entries()) {
    const { computedDigest } = summaries[index] ?? {}
    if (computedDigest === undefined || table.partitioned) continue
    if ((await digestComputed(admin, place, table)) !== computedDigest) throw computedOtherwise(table.name)
  }
}

function computedOtherwise(table: string): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    'A stored generated column does not come out as it was, so nothing was restored: what its function reads, or the function, has ' +
      'changed since the rows were written. Have it computed anew where it is (UPDATE … SET the column = DEFAULT) and back up again; ' +
      "where this archive is all there is, restore with verify 'archive', which takes what is computed now.",
    { details: { table } },
  )
}

function different(table: string, found: number, expected: number): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    'A restored table does not read back as it was backed up, so nothing was restored. Does a migration compute values ' +
      'while rows come in, or does a type write its values differently in this version of PostgreSQL?',
    { details: { table, found, expected } },
  )
}
