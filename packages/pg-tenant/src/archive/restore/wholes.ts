import type { ArchivedTable, TableSummary } from '../format/manifest.ts'
import { addDigests } from '../row-digest.ts'

/** A partitioned table that is no partition itself. */
interface Whole {
  readonly name: string
  /** Names of its partitions that the archive has, at any depth. */
  readonly parts: readonly string[]
  /** Those of today, which hold the rows. */
  readonly leaves: readonly ArchivedTable[]
}

/**
 * Partitioned tables of an archive whose rows can come in through the whole: under another key they are another partition's where tenants
 * have some of their own (LIST, HASH). Not where columns lie otherwise in one of them: the rows could not be compared.
 */
export function wholesOf(archived: readonly ArchivedTable[], there: readonly ArchivedTable[]): Whole[] {
  const parents = new Map(
    [...there, ...archived].map(({ name, partitionOf }) => [name, partitionOf?.parent] as const),
  )
  const topOf = (name: string): string => {
    const parent = parents.get(name)
    return parent === undefined ? name : topOf(parent)
  }
  const isPart = ({ name, partitioned }: ArchivedTable) => !partitioned && topOf(name) !== name
  const leaves = Map.groupBy(there.filter(isPart), ({ name }) => topOf(name))
  const parts = Map.groupBy(archived.filter(isPart), ({ name }) => topOf(name))
  return [...parts].flatMap(([name, of]) => {
    const all = leaves.get(name) ?? []
    if (new Set([...of, ...all].map(({ columns }) => JSON.stringify(columns))).size !== 1) return []
    return [{ name, parts: of.map((part) => part.name), leaves: all }]
  })
}

/** What all of them hold. */
export function sumOf(
  summaries: readonly TableSummary[],
): Pick<TableSummary, 'rows' | 'bytes' | 'rowsDigest'> {
  return {
    rows: summaries.reduce((sum, { rows }) => sum + rows, 0),
    bytes: summaries.reduce((sum, { bytes }) => sum + bytes, 0),
    rowsDigest: addDigests(summaries.map(({ rowsDigest }) => rowsDigest)),
  }
}
