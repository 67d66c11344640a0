import { randomBytes } from 'node:crypto'
import { SQLSTATE, TenancyError } from '@org/core'
import { isServerError } from '../../errors/server-error.ts'
import { type DropStep, planDrop } from '../../lifecycle/levels/row/delete.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { columnList } from '../catalog.ts'
import type { AdminClient } from '../client.ts'
import { copyOut } from '../copy.ts'
import type { ArchivedTable, ArchiveSummary } from '../format/manifest.ts'
import type { OpenArchive } from '../format/reader.ts'
import type { Place } from '../place.ts'
import { RowDigest } from '../row-digest.ts'
import { matchTables } from './drift.ts'
import { loadData } from './load.ts'
import type { Restoring } from './restoring.ts'
import { advanceSequences } from './sequences.ts'
import { readBack, requireSameRows, verifyData } from './verify.ts'
import { sumOf, wholesOf } from './wholes.ts'

/**
 * Puts an archive's rows into tables that tenants share, under this tenant. No lock on a table keeps others waiting, so
 * constraints and triggers stay in force: the data goes into tables of its own first (COPY cannot be used where
 * row-level security holds), and from there table by table, those that others refer to first. What a trigger changed is
 * found out, because everything is read back.
 *
 * @throws TenancyError CONFLICT when a key is taken by a row of another tenant, or the archive holds what the migrations
 *   do not make; INTERNAL_ERROR when a table does not read back as it was
 */
export async function fillRows(
  admin: AdminClient,
  { lifecycle, place }: Restoring,
  archive: OpenArchive,
): Promise<{ summary: ArchiveSummary; sha256: string }> {
  const { row } = lifecycle.ofLevel
  if (!row) throw new TenancyError('INTERNAL_ERROR', 'Rows are restored where tenants share tables.')
  const { tables } = archive.manifest
  const there = await matchTables(admin, place, archive.manifest)
  const wholes = place.tenant === archive.manifest.tenant ? [] : wholesOf(tables, there)
  const staged = await stage(admin, lifecycle.registry.controlSchema, place, tables)
  const into = tables.map((table) => {
    const name = staged.get(table.name)
    return name && `${name}${columnList(table)}`
  })
  const { summary, sha256 } = await loadData(admin, archive, into)
  await admin.run('set constraints all deferred')
  const byName = new Map(tables.map((table) => [table.name, table]))
  const wholeOf = new Map(wholes.flatMap(({ name, parts }) => parts.map((part) => [part, name] as const)))
  for (const step of (await planDrop(admin, row)).reverse())
    await insert(admin, place, step, byName, staged, wholeOf)
  await admin.run('set constraints all immediate')
  const apart = (one: { readonly name: string }) => !wholeOf.has(one.name)
  await verifyData(admin, place, tables.filter(apart), summary.tables.filter(apart))
  for (const { name, leaves } of wholes) {
    const expected = summary.tables.filter((one) => wholeOf.get(one.name) === name)
    requireSameRows(name, await readBack(admin, place, leaves), sumOf(expected))
  }
  await dropStaged(admin, staged)
  await advanceSequences(admin, place, tables)
  return { summary, sha256 }
}

/**
 * What can be said of an archive while its rows are still there: it is whole, its tables and columns have their place, its
 * values are values of their types, and read back as they were.
 */
export async function proveRows(
  admin: AdminClient,
  { lifecycle, place }: Restoring,
  archive: OpenArchive,
): Promise<void> {
  const { tables } = archive.manifest
  await matchTables(admin, place, archive.manifest)
  const staged = await stage(admin, lifecycle.registry.controlSchema, place, tables)
  const into = tables.map((table) => {
    const name = staged.get(table.name)
    return name && `${name}${columnList(table)}`
  })
  const { summary } = await loadData(admin, archive, into)
  for (const [index, table] of tables.entries()) {
    const name = staged.get(table.name)
    const expected = summary.tables[index]
    if (name === undefined || !expected) continue
    const found = new RowDigest()
    await copyOut(admin, `copy ${name}${columnList(table)} to stdout`, (piece, first, last) => {
      found.add(piece, first, last)
      return undefined
    })
    requireSameRows(table.name, found, expected)
  }
  await dropStaged(admin, staged)
}

const dropStaged = async (admin: AdminClient, staged: ReadonlyMap<string, string>) => {
  if (staged.size > 0) await admin.run(`drop table ${[...staged.values()].join(', ')}`)
}

/**
 * Tables for the data on its way, in the control schema: only this transaction ever sees them. It drops them and commits where it can: a
 * server that dies right behind a ROLLBACK of unlogged tables may not start at the first try (PostgreSQL's bug 17731).
 */
async function stage(
  admin: AdminClient,
  controlSchema: string,
  { schema }: Place,
  tables: readonly ArchivedTable[],
): Promise<Map<string, string>> {
  const staged = new Map<string, string>()
  admin.noteUnlogged()
  const mark = randomBytes(8).toString('hex')
  for (const [index, table] of tables.entries()) {
    if (table.partitioned) continue
    const name = qualify(controlSchema, `restore_${mark}_${index}`)
    const columns = table.columns.map((column) => quoteIdentifier(column.name)).join(', ')
    await admin.run(
      `create unlogged table ${name} as select ${columns} from ${qualify(schema, table.name)} with no data`,
    )
    staged.set(table.name, name)
  }
  return staged
}

async function insert(
  admin: AdminClient,
  { schema }: Place,
  { tables }: DropStep,
  byName: ReadonlyMap<string, ArchivedTable>,
  staged: ReadonlyMap<string, string>,
  wholeOf: ReadonlyMap<string, string>,
): Promise<void> {
  const inserts = tables.flatMap((name) => {
    const [from, columns] = [staged.get(name), byName.get(name)?.columns]
    if (from === undefined || !columns) return []
    const list = columns.map((column) => quoteIdentifier(column.name))
    const target = `${qualify(schema, wholeOf.get(name) ?? name)} ${list.length > 0 ? `(${list.join(', ')})` : ''}`
    // The tenant column has its default: the tenant, as a value of its type.
    return [`insert into ${target} overriding system value select ${list.join(', ')} from ${from}`]
  })
  if (inserts.length === 0) return
  // Tables that refer to each other in a circle go in one statement: foreign keys are checked at its end.
  const parts = inserts.map((sql, at) => `i${at} as (${sql})`)
  const sql = inserts.length === 1 ? String(inserts[0]) : `with ${parts.join(', ')} select 1`
  await admin.run(sql).catch((error: unknown) => {
    if (!isServerError(error)) throw error
    if (error.code === SQLSTATE.UNIQUE_VIOLATION) throw keyTaken(error)
    // A partition's bound is the only check without a name.
    throw error.code === SQLSTATE.CHECK_VIOLATION && !error.constraint ? anotherPartition(error) : error
  })
}

function anotherPartition({ table }: { table?: string }): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Rows of the archive have no partition that takes them under this tenant: partitions are bound to tenants. Nothing was restored. Make ' +
      'one for it, with its columns in the order of the others; or restore under the key the archive is of, or into a database of its own.',
    { details: { reason: 'partition', table: table ?? null } },
  )
}

function keyTaken({ table, constraint }: { table?: string; constraint?: string }): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A row of the archive has a key that a row of another tenant has: the unique constraint leaves the tenant column out. ' +
      'Nothing was restored or overwritten. Restore into a database of its own, or make the key (tenant_id, …).',
    { details: { reason: 'key_taken', table: table ?? null, constraint: constraint ?? null } },
  )
}
