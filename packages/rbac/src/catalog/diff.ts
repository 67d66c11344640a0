import type { CatalogRows } from './rows.ts'

/** What a row is of; `package_action` is keyed `package:action`. */
export type CatalogEntity = 'tool' | 'action' | 'package' | 'package_action'

export interface CatalogEntryRef {
  readonly entity: CatalogEntity
  readonly key: string
}

export interface CatalogChange extends CatalogEntryRef {
  /** The columns that differ, e.g. `['kind']`. */
  readonly fields: readonly string[]
}

/** What storing a catalogue would do. The store adds which of the removed are still granted to somebody. */
export interface CatalogDiff {
  readonly added: readonly CatalogEntryRef[]
  readonly changed: readonly CatalogChange[]
  readonly removed: readonly CatalogEntryRef[]
  /** Nothing to do. */
  readonly same: boolean
}

/**
 * Compares what is stored with what the program defines. The order of rows does not matter.
 *
 * @example
 * ```ts
 * import { catalogRows, defineCatalog, diffCatalog } from '@org/rbac'
 *
 * const tools = { notes: { name: 'Notes' } }
 * const before = defineCatalog({ tools, actions: {}, packages: {} })
 * const after = defineCatalog({ tools, actions: { 'notes.item.read': { name: 'Read', kind: 'read' } }, packages: {} })
 * diffCatalog(catalogRows(before), catalogRows(after)).added // → [{ entity: 'action', key: 'notes.item.read' }]
 * ```
 */
export function diffCatalog(stored: CatalogRows, defined: CatalogRows): CatalogDiff {
  const [before, after] = [keyed(stored), keyed(defined)]
  const added = [...after.values()].filter(({ id }) => !before.has(id)).map(refOf)
  const removed = [...before.values()].filter(({ id }) => !after.has(id)).map(refOf)
  const changed = [...after.values()].flatMap((entry) => {
    const old = before.get(entry.id)
    const fields = old ? Object.keys(entry.row).filter((name) => old.row[name] !== entry.row[name]) : []
    return fields.length > 0 ? [{ ...refOf(entry), fields }] : []
  })
  return { added, changed, removed, same: added.length + changed.length + removed.length === 0 }
}

interface Entry extends CatalogEntryRef {
  readonly id: string
  readonly row: Readonly<Record<string, unknown>>
}

const refOf = ({ entity, key }: Entry): CatalogEntryRef => ({ entity, key })

function keyed({ tools, actions, packages, packageActions }: CatalogRows): Map<string, Entry> {
  const entries = [
    ...tools.map((row) => entry('tool', row.key, row)),
    ...actions.map((row) => entry('action', row.key, row)),
    ...packages.map((row) => entry('package', row.key, row)),
    ...packageActions.map((row) => entry('package_action', `${row.package}:${row.action}`, row)),
  ]
  return new Map(entries.map((one) => [one.id, one]))
}

const entry = (entity: CatalogEntity, key: string, row: object): Entry => ({
  id: `${entity} ${key}`,
  entity,
  key,
  row: { ...row },
})
