import { makeCatalog } from './define.ts'
import { toolOf } from './keys.ts'
import type { ActionKind, Catalog, EntryStatus } from './model.ts'

/** A row of `tool` or `package`. */
export interface CatalogEntryRow {
  readonly key: string
  readonly name: string
  readonly description: string | null
  readonly status: EntryStatus
}

/** A row of `tool_action`. */
export interface ActionRow extends CatalogEntryRow {
  readonly tool: string
  readonly kind: ActionKind
}

/** A row between `package` and `tool_action`; `tool.*` is written out. */
export interface PackageActionRow {
  readonly package: string
  readonly action: string
}

/** A catalogue as its tables hold it. */
export interface CatalogRows {
  readonly tools: readonly CatalogEntryRow[]
  readonly actions: readonly ActionRow[]
  readonly packages: readonly CatalogEntryRow[]
  readonly packageActions: readonly PackageActionRow[]
}

/**
 * The rows of a catalogue, to be stored; in the order they were defined.
 *
 * @example
 * ```ts
 * import { catalogRows, defineCatalog } from '@org/rbac'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: { basic: { name: 'Basic', actions: ['notes.*'] } },
 * })
 * catalogRows(catalog).packageActions // → [{ package: 'basic', action: 'notes.item.read' }]
 * ```
 */
export function catalogRows(catalog: Catalog): CatalogRows {
  const { index } = catalog
  return {
    tools: rowsOf(catalog.tools),
    actions: rowsOf(catalog.actions).map((row, number) => ({
      ...row,
      tool: toolOf(row.key),
      kind: index.kinds[number] as ActionKind,
    })),
    packages: rowsOf(catalog.packages),
    packageActions: Object.keys(catalog.packages).flatMap((key) =>
      (index.numbersOfPackage.get(key) ?? []).map((number) => ({
        package: key,
        action: index.keys[number] as string,
      })),
    ),
  }
}

/**
 * A catalogue from stored rows, for products whose actions are edited while they run; its keys are plain strings to
 * the compiler.
 *
 * @throws TenancyError INVALID_OPTION as {@link defineCatalog}
 * @example
 * ```ts
 * import { catalogFromRows, catalogRows, defineCatalog } from '@org/rbac'
 *
 * const rows = catalogRows(defineCatalog({ tools: { notes: { name: 'Notes' } }, actions: {}, packages: {} }))
 * catalogFromRows(rows).tools.notes?.name // → 'Notes'
 * ```
 */
export function catalogFromRows(rows: CatalogRows): Catalog {
  return makeCatalog({
    tools: Object.fromEntries(rows.tools.map((row) => [row.key, described(row)])),
    actions: Object.fromEntries(rows.actions.map((row) => [row.key, { ...described(row), kind: row.kind }])),
    packages: Object.fromEntries(
      rows.packages.map((row) => [
        row.key,
        {
          ...described(row),
          actions: rows.packageActions.filter((one) => one.package === row.key).map((one) => one.action),
        },
      ]),
    ),
  })
}

function rowsOf(
  entries: Readonly<
    Record<string, { name: string; description?: string | undefined; status?: EntryStatus | undefined }>
  >,
): CatalogEntryRow[] {
  return Object.entries(entries).map(([key, { name, description, status }]) => ({
    key,
    name,
    description: description ?? null,
    status: status ?? 'active',
  }))
}

function described({ name, description, status }: CatalogEntryRow) {
  return { name, status, ...(description !== null && { description }) }
}
