import { describe, expect, it } from 'vitest'
import { catalogRows, diffCatalog } from '../../src/index.ts'
import { catalog } from '../support/product.ts'

const rows = catalogRows(catalog)
const nothing = { tools: [], actions: [], packages: [], packageActions: [] }

describe('diffCatalog', () => {
  it('finds nothing between the same rows, in whatever order', () => {
    const shuffled = {
      ...rows,
      actions: rows.actions.toReversed(),
      packageActions: rows.packageActions.toReversed(),
    }
    expect(diffCatalog(shuffled, rows)).toEqual({ added: [], changed: [], removed: [], same: true })
  })

  it('counts everything as added at first, and as removed the other way round', () => {
    const { added, removed, same } = diffCatalog(nothing, rows)
    expect([added.length, removed.length, same]).toEqual([2 + 6 + 3 + 2 + 5 + 2, 0, false])
    expect(diffCatalog(rows, nothing).removed).toEqual(added)
  })

  it('names the columns that differ', () => {
    const actions = rows.actions.map((row) =>
      row.key === 'notes.item.read' ? { ...row, kind: 'write' as const, name: 'Look' } : row,
    )
    expect(diffCatalog(rows, { ...rows, actions })).toEqual({
      added: [],
      removed: [],
      changed: [{ entity: 'action', key: 'notes.item.read', fields: ['name', 'kind'] }],
      same: false,
    })
  })

  it('tells an action taken from a package', () => {
    const packageActions = rows.packageActions.slice(1)
    expect(diffCatalog(rows, { ...rows, packageActions }).removed).toEqual([
      { entity: 'package_action', key: 'basic:notes.item.read' },
    ])
  })
})
