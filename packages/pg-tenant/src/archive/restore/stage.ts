import { randomBytes } from 'node:crypto'
import { runInRoom } from '../../admin/in-room.ts'
import { isServerError } from '../../errors/server-error.ts'
import { qualify, quoteIdentifier, quoteText } from '../../sql/identifier.ts'
import { columnList } from '../catalog.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import { digestComputed } from '../computed.ts'
import type { ArchivedTable, TableSummary } from '../format/manifest.ts'
import { asTenant, type Place, roomOf } from '../place.ts'
import type { Loadable } from './loadable.ts'

/** A table whose rows wait in another one, because they cannot come in without running the tenant's code. */
export interface Staged {
  readonly table: ArchivedTable
  readonly name: string
  /** From there into the table; runs the tenant's code. */
  readonly insert: string
}

/**
 * Makes the table in which rows wait: without anything that runs, and values that are read by the tenant's code as text.
 *
 * @param elsewhere the schema that values name, where it is another one (see {@link namedHere})
 */
export async function stage(
  home: AdminClient,
  place: Place,
  table: ArchivedTable,
  { columns, generated }: Loadable,
  elsewhere: string | undefined,
): Promise<Staged> {
  const name = qualify(place.schema, `_restore_${randomBytes(12).toString('hex')}`)
  const target = qualify(place.schema, table.name)
  const asText = columns.filter(({ clean, names }) => !clean || (names && elsewhere !== undefined))
  const unclean = new Map(asText.map((column) => [column.name, column]))
  home.noteUnlogged()
  const made = [`create unlogged table ${name} (like ${target})`]
  for (const column of generated) made.push(`alter table ${name} drop column ${quoteIdentifier(column)}`)
  for (const column of [...unclean.keys()].map(quoteIdentifier))
    made.push(`alter table ${name} drop column ${column}`, `alter table ${name} add column ${column} text`)
  await asTenant(home, place, made.join(';'))
  const values = table.columns.map((column) => {
    const [quoted, made] = [quoteIdentifier(column.name), unclean.get(column.name)]
    if (made === undefined) return quoted
    const value = made.names && elsewhere !== undefined ? namedHere(quoted, elsewhere) : quoted
    return `cast(${value} as ${made.type})`
  })
  const from = `select ${values.join(', ')} from only ${name}`
  return {
    table,
    name,
    insert: `insert into ${target}${columnList(table)} overriding system value ${from}`,
  }
}

/**
 * A value that names objects (`regclass`, an array of it) as pg_dump writes it, always with the schema: under another key that is another
 * tenant's. Without it the tenant's path finds its own, and what reads back otherwise for all that is refused.
 */
function namedHere(value: string, schema: string): string {
  const name = schema.replace(/[^a-zA-Z0-9_\u0080-\uffff]/g, '\\$&')
  // Quotes are what stands on both sides: in an array or a row they are written otherwise.
  const pattern = quoteText(`(?<![[:alnum:]_$])([\\\\"]*)${name}\\1\\.`)
  return `pg_catalog.regexp_replace(${value}, ${pattern}, '', 'g')`
}

/**
 * Brings the rows that wait into their tables. What a check or a generated column of one reads may be in another: whatever
 * is refused is tried again behind the others, and whatever was computed otherwise than it was is computed again.
 */
export async function unstage(
  home: AdminClient,
  place: Place,
  staged: readonly Staged[],
  summaries: ReadonlyMap<string, TableSummary>,
): Promise<void> {
  let waiting = staged
  while (waiting.length > 0) {
    const refused: { readonly one: Staged; readonly error: unknown }[] = []
    for (const one of waiting) {
      const error = await attempt(home, place, [one.insert])
      if (error !== undefined) refused.push({ one, error })
    }
    if (refused.length === waiting.length) throw refused[0]?.error
    waiting = refused.map(({ one }) => one)
  }
  for (let [rounds, wrong] = [0, staged]; rounds < staged.length; rounds++) {
    wrong = await computedOtherwise(home, place, wrong, summaries)
    for (const { table, insert } of wrong) {
      await runInRoom(home, roomOf(place), [
        [`delete from only ${qualify(place.schema, table.name)}`, insert],
      ])
      await pinSettings(home)
    }
    if (wrong.length === 0) break
  }
  const names = staged.map(({ name }) => name)
  if (names.length > 0) await asTenant(home, place, `drop table ${names.join(', ')}`)
}

async function computedOtherwise(
  home: AdminClient,
  place: Place,
  staged: readonly Staged[],
  summaries: ReadonlyMap<string, TableSummary>,
): Promise<Staged[]> {
  const wrong: Staged[] = []
  for (const one of staged) {
    const expected = summaries.get(one.table.name)?.computedDigest
    if (expected !== undefined && (await digestComputed(home, place, one.table)) !== expected) wrong.push(one)
  }
  return wrong
}

/** @returns what the server said, when it refused; it is as if nothing had been tried */
export async function attempt(
  home: AdminClient,
  place: Place,
  statements: readonly string[],
): Promise<unknown> {
  await home.run('savepoint attempt')
  try {
    await runInRoom(home, roomOf(place), [statements])
  } catch (error) {
    if (!isServerError(error)) throw error
    await home.run('rollback to savepoint attempt')
    return error
  }
  await home.run('release savepoint attempt')
  await pinSettings(home)
  return undefined
}
