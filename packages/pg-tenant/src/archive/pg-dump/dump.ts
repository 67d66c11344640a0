import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import { invalidOption, TenancyError } from '@org/core'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { BackupOptions, BackupResult } from '../backup-options.ts'
import { readSequences, requireSequences } from '../catalog.ts'
import { beginReading, describe } from '../describe.ts'
import type { TableSummary } from '../format/manifest.ts'
import { exists, openSink, refuseExisting, writeFailed } from '../format/sink.ts'
import { actAsOwner } from '../place.ts'
import { digestTables } from '../read-tables.ts'
import { type Found, type Visit, visitTenant } from '../visit.ts'
import { environmentOf, requireProgram, serverMajor } from './connection.ts'
import { type DumpManifest, digestOfFile, manifestPathOf } from './manifest.ts'
import { runProgram } from './program.ts'

/**
 * Dumps a tenant's schema with everything in it (structure too) by `pg_dump --format=custom`, as the owner of its tables,
 * in the very snapshot in which the rows are counted. The file is linked to its name first, then the manifest: a file
 * without one was cut off, and no restore takes it.
 */
export async function dumpTenant(visit: Visit, { to, ...options }: BackupOptions): Promise<BackupResult> {
  if (typeof to !== 'string' || to === '') throw invalidOption('to', 'the path of a file to be made')
  if (visit.place.tenantColumn !== undefined)
    throw invalidOption('format', '"archive" at level row: pg_dump dumps whole tables, of all tenants')
  await refuseExisting(to)
  await refuseExisting(manifestPathOf(to))
  const partial = `${to}.${randomBytes(6).toString('hex')}.partial`
  try {
    const described = await visitTenant(visit, ['active', 'suspended', 'deleting'], (found) =>
      dump(found, visit, partial, options),
    )
    const file = await digestOfFile(partial)
    await flush(partial)
    await link(partial, to).catch((error: { code?: string }) => {
      throw error.code === 'EEXIST' ? exists() : writeFailed(error)
    })
    const manifest: DumpManifest = { ...described.manifest, ...file }
    const beside = await openSink(manifestPathOf(to))
    await beside.write(Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`))
    await beside.finish()
    const { tenant } = visit
    const { createdAt, rows, tables } = manifest
    return { tenant, createdAt, ...file, rows, tables, skipped: described.skipped }
  } finally {
    await rm(partial, { force: true })
  }
}

async function dump(
  found: Found,
  visit: Visit,
  partial: string,
  { programs, programEnvironment }: Pick<BackupOptions, 'programs' | 'programEnvironment'>,
) {
  const { place, signal } = visit
  const { home } = found
  if (found.closed) throw closed()
  const programVersion = await requireProgram('pg_dump', programs, await serverMajor(home), 'server')
  const environment = await environmentOf(home)
  await makePrivate(partial)
  await beginReading(found, place)
  const [exported] = await home.run('select pg_export_snapshot() as snapshot')
  const { manifest, unmade } = await describe(found, visit)
  const { format: _, tables: described, ...facts } = manifest
  const tallies = await digestTables(found, visit, described)
  const tables = described.map((table, at) => ({ ...table, ...(tallies[at] as TableSummary) }))
  await actAsOwner(home, place)
  const sequences = (await readSequences(home, place, 'the end')).filter(({ name }) => !unmade.has(name))
  // guard: x: the program asks up to PostgreSQL 17 SELECT last_value of a name it has not locked, in the administrator's session
  await requireSequences(home, place)
  const args = [
    '--format=custom',
    '--no-password',
    `--snapshot=${exported?.snapshot}`,
    `--schema=${quoteIdentifier(place.schema)}`,
    ...place.ours.map((table) => `--exclude-table=${qualify(place.schema, table)}`),
    ...(place.owner === undefined ? [] : [`--role=${place.owner}`]),
    `--file=${partial}`,
  ]
  await runProgram({ program: 'pg_dump', programs, programEnvironment, args, environment, signal })
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const { skipped } = facts
  return {
    manifest: { format: 'pg-tenant-dump' as const, ...facts, programVersion, tables, sequences, rows },
    skipped,
  }
}

/** Only for its owner, before anything is in it: it will hold all of a tenant's data. */
async function makePrivate(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw writeFailed(error)
  })
  await file.close()
}

async function flush(path: string): Promise<void> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r+')
    await file.sync()
  } catch (error) {
    throw writeFailed(error)
  } finally {
    await file?.close()
  }
}

function closed(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    "The tenant is suspended or being dropped, so that its role is shut out, and pg_dump with it. Use format: 'archive', or " +
      'resume it first.',
  )
}
