import type { TenantQueryable } from '@org/core'
import { type Finding, find, type StoredRow } from './finding.ts'
import type { RotationSettings } from './options.ts'
import type { ParsedTable } from './sealed-table.ts'
import { type RotationCounts, Tally } from './tally.ts'
import type { Target } from './target.ts'

type Key = readonly string[]

/** Which rows: the first of the table, the next after a key, or some again. */
export type Rows = { readonly after?: Key | undefined } | { readonly again: readonly Key[] }

/** What became of one batch. */
export interface Batch {
  /** without the rows that are `left` */
  readonly counts: RotationCounts
  /** the key to go on after, or `undefined` at the end of the table */
  readonly last: Key | undefined
  /** keys of rows that somebody else is changing, or has changed since they were read */
  readonly left: readonly Key[]
}

/**
 * Reads one batch of rows and seals anew those that are not current. Two statements, or one when there is nothing to
 * do. It may be run again at any time: what is done is current then.
 */
export async function rotateBatch(
  db: TenantQueryable,
  target: Target,
  which: Rows,
  settings: RotationSettings,
): Promise<Batch> {
  const rows = await read(db, target, which, settings.batchSize)
  const findings = rows.map((row) => find(db.tenant, target, row, settings)).filter((one) => one !== null)
  const stale = findings.filter(({ fresh }) => fresh !== undefined)
  const done = settings.dryRun ? new Set(stale.map(idOf)) : await swap(db, target, stale)
  const left = stale.filter((one) => !done.has(idOf(one)))
  const tally = new Tally(settings.maxReports)
  for (const one of findings) {
    if (one.fresh === undefined || done.has(idOf(one))) count(tally, one, db.tenant, target.table)
  }
  return {
    counts: tally.counts(),
    last: rows.length < settings.batchSize ? undefined : rows.at(-1)?.key,
    left: left.map(({ key }) => key),
  }
}

function count(
  tally: Tally,
  { kind, name, keyId, code }: Finding,
  tenant: string,
  { table }: ParsedTable,
): void {
  tally.count('examined')
  tally.count(kind)
  if (keyId !== undefined) tally.found(keyId)
  if (code !== undefined) tally.report({ tenant, table, name, code })
}

async function read(
  db: TenantQueryable,
  target: Target,
  which: Rows,
  batchSize: number,
): Promise<StoredRow[]> {
  const { sql, table } = target
  const [text, values] =
    'again' in which
      ? [sql.again, columnsOf(table, which.again)]
      : which.after
        ? [sql.next, [batchSize, ...which.after]]
        : [sql.first, [batchSize]]
  const { rows } = await db.query<Record<string, string>>(text, values)
  return rows.map((row) => ({ key: keyOf(table, row), value: row.value ?? '' }))
}

/**
 * Compare-and-swap: replaces the values that are still as they were read.
 *
 * @returns the ids of the rows it replaced
 */
async function swap(
  db: TenantQueryable,
  { sql, table }: Target,
  stale: readonly Finding[],
): Promise<Set<string>> {
  if (stale.length === 0) return new Set()
  const { rows } = await db.query<Record<string, string>>(sql.swap, [
    stale.map(({ value }) => value),
    stale.map(({ fresh }) => fresh),
    ...columnsOf(
      table,
      stale.map(({ key }) => key),
    ),
  ])
  return new Set(rows.map((row) => idOf({ key: keyOf(table, row) })))
}

function keyOf({ keys }: ParsedTable, row: Readonly<Record<string, string>>): Key {
  return keys.map((_, i) => row[`key_${i}`] ?? '')
}

/** An array for each column of the key, as `unnest` takes them. */
function columnsOf({ keys }: ParsedTable, rows: readonly Key[]): (string | undefined)[][] {
  return keys.map((_, i) => rows.map((key) => key[i]))
}

function idOf({ key }: { readonly key: Key }): string {
  return JSON.stringify(key)
}
