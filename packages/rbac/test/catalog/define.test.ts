import { describe, expect, it } from 'vitest'
import { makeCatalog, type UncheckedDefinition } from '../../src/catalog/define.ts'
import { catalogFromRows, catalogRows, defineCatalog } from '../../src/index.ts'
import { thrown } from '../support/codes.ts'
import { catalog } from '../support/product.ts'

const base: UncheckedDefinition = {
  tools: { notes: { name: 'Notes' } },
  actions: { 'notes.item.read': { name: 'Read', kind: 'read' } },
  packages: { basic: { name: 'Basic', actions: ['notes.item.read'] } },
}
const action = { name: 'x', kind: 'read' } as const
const withProto = { ...JSON.parse('{"__proto__": {"name": "x", "kind": "read"}}') } as Record<
  string,
  typeof action
>
const inherited = Object.create({ 'notes.item.read': action }) as Record<string, typeof action>

describe('defineCatalog', () => {
  it.each<[string, Partial<UncheckedDefinition>, string]>([
    ['an action of no tool', { actions: { 'other.item.read': action } }, 'actions'],
    ['an action of two parts', { actions: { 'notes.read': action } }, 'actions'],
    ['an action of four parts', { actions: { 'notes.a.b.c': action } }, 'actions'],
    ['upper case', { actions: { 'notes.Item.read': action } }, 'actions'],
    ['a hyphen', { actions: { 'notes.it-em.read': action } }, 'actions'],
    ['a digit in front', { actions: { 'notes.1tem.read': action } }, 'actions'],
    ['an empty part', { actions: { 'notes..read': action } }, 'actions'],
    ['a trailing line break', { actions: { 'notes.item.read\n': action } }, 'actions'],
    ['a part of 51 letters', { actions: { [`notes.item.${'x'.repeat(51)}`]: action } }, 'actions'],
    ['a part every object has', { actions: { 'notes.constructor.read': action } }, 'actions'],
    ['a part called prototype', { actions: { 'notes.item.prototype': action } }, 'actions'],
    ['an own __proto__', { actions: withProto }, 'actions'],
    ['actions of a prototype', { actions: inherited }, 'actions'],
    [
      'a tool every object has',
      { tools: { constructor: { name: 'x' } } as UncheckedDefinition['tools'] },
      'tools',
    ],
    ['a tool with a dot', { tools: { notes: { name: 'x' }, 'a.b': { name: 'x' } } }, 'tools'],
    [
      'no kind',
      { actions: { 'notes.item.read': { name: 'x' } as typeof action } },
      'actions.notes.item.read.kind',
    ],
    ['no name', { actions: { 'notes.item.read': { ...action, name: '' } } }, 'actions.notes.item.read.name'],
    ['a long name', { tools: { notes: { name: 'x'.repeat(201) } } }, 'tools.notes.name'],
    [
      'a status there is not',
      { tools: { notes: { name: 'x', status: 'old' as 'active' } } },
      'tools.notes.status',
    ],
    [
      'a package of an unknown action',
      { packages: { p: { name: 'p', actions: ['notes.item.write'] } } },
      'packages.p.actions',
    ],
    [
      'a package of an unknown tool',
      { packages: { p: { name: 'p', actions: ['other.*'] } } },
      'packages.p.actions',
    ],
    ['a package of everything', { packages: { p: { name: 'p', actions: ['*'] } } }, 'packages.p.actions'],
    [
      'a package of an inherited name',
      { packages: { p: { name: 'p', actions: ['toString'] } } },
      'packages.p.actions',
    ],
    [
      'an action twice in a package',
      { packages: { p: { name: 'p', actions: ['notes.*', 'notes.*'] } } },
      'packages.p.actions',
    ],
    [
      'a package without actions',
      { packages: { p: { name: 'p' } as { name: string; actions: string[] } } },
      'packages.p.actions',
    ],
    ['a package with a space', { packages: { 'a b': { name: 'p', actions: [] } } }, 'packages'],
    ['a limit that is no key', { limits: { 'Max Users': { name: 'x' } } }, 'limits'],
    ['no tools', { tools: null as never }, 'tools'],
  ])('refuses %s', (_, part, option) => {
    const error = thrown(() => makeCatalog({ ...base, ...part }))
    expect([error.code, error.details]).toEqual(['INVALID_OPTION', { option }])
  })

  it('is frozen, and a copy', () => {
    const tools = { notes: { name: 'Notes' } }
    const made = defineCatalog({ tools, actions: {}, packages: {} })
    tools.notes.name = 'changed'
    expect(made.tools.notes.name).toBe('Notes')
    expect([made, made.tools, made.tools.notes, made.limits].every(Object.isFrozen)).toBe(true)
  })

  it('knows its own actions and nothing else', () => {
    const asked = ['notes.item.read', 'notes.item.reed', 'notes', 'toString', '__proto__', 7, undefined]
    expect(asked.map((one) => catalog.has(one))).toEqual([true, false, false, false, false, false, false])
  })

  it('writes tool.* out for packages, each action once', () => {
    const made = makeCatalog({
      ...base,
      packages: { p: { name: 'p', actions: ['notes.*', 'notes.item.read'] } },
    })
    expect(catalogRows(made).packageActions).toEqual([{ package: 'p', action: 'notes.item.read' }])
  })
})

describe('catalogRows', () => {
  it('has a row for each entry', () => {
    const rows = catalogRows(catalog)
    expect(rows.tools).toContainEqual({
      key: 'billing',
      name: 'Billing',
      description: 'Invoices',
      status: 'active',
    })
    expect(rows.actions).toContainEqual({
      key: 'notes.item.delete',
      tool: 'notes',
      kind: 'write',
      name: 'Delete notes',
      description: null,
      status: 'deprecated',
    })
    expect(rows.packageActions.filter((one) => one.package === 'pay-2026').map((one) => one.action)).toEqual([
      'billing.invoice.read',
      'billing.invoice.pay',
    ])
  })

  it('comes back as the same catalogue', () => {
    const rows = catalogRows(catalog)
    expect(catalogRows(catalogFromRows(JSON.parse(JSON.stringify(rows))))).toEqual(rows)
  })

  it('is checked when it comes back', () => {
    const rows = catalogRows(catalog)
    const orphan = { ...rows, tools: [] }
    expect(thrown(() => catalogFromRows(orphan)).code).toBe('INVALID_OPTION')
  })
})
