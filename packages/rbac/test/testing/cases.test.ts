import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { checkDecisions, decisionCases } from '../../src/testing/index.ts'
import { thrown } from '../support/codes.ts'
import { catalog } from '../support/product.ts'

const TABLE = `
name: Notes
options: { now: 2026-06-01T12:00:00Z }
tenants:
  acme: { packages: [{ key: pro, status: active, expiresAt: 2026-07-01T00:00:00Z }] }
groups:
  EDITORS:
    permissions:
      - action: notes.item.read
      - action: notes.item.delete
        constraints: { own: true }
principals:
  ana: { id: u1, groups: [EDITORS] }
  bob: { groups: [] }
  ci: { key: { name: ci, status: active, profile: read-only } }
resources:
  ana_note: { kind: note, attr: { ownerId: u1 } }
  other_note: { kind: note, attr: { ownerId: u2 } }
tests:
  - name: editors delete their own
    input:
      principals: [ana, bob, ci]
      resources: [ana_note, other_note]
      actions: [notes.item.read, notes.item.delete]
    expected:
      - { principal: ana, resource: ana_note, actions: { notes.item.read: EFFECT_ALLOW, notes.item.delete: EFFECT_ALLOW } }
      - { principal: ana, resource: other_note, actions: { notes.item.read: EFFECT_ALLOW } }
      - { principal: ci, resource: ana_note, actions: { notes.item.read: EFFECT_ALLOW } }
      - { principal: ci, resource: other_note, actions: { notes.item.read: EFFECT_ALLOW } }
  - name: the package ends
    options: { now: 2026-07-01T00:00:00Z }
    input: { principals: [ana], actions: [notes.item.read] }
    expected: []
`

describe('a decision table of our own', () => {
  it.each(decisionCases(catalog, parse(TABLE)))('$name', (one) => one.check())

  it('has a case for each principal, resource and action', () => {
    expect(decisionCases(catalog, parse(TABLE))).toHaveLength(3 * 2 * 2 + 1)
  })
})

describe('checkDecisions', () => {
  it('reports each wrong cell with the chain', () => {
    const wrong = TABLE.replace(
      'other_note, actions: { notes.item.read: EFFECT_ALLOW }',
      'other_note, actions: { notes.item.delete: EFFECT_ALLOW }',
    )
    const { cases, failures, report } = checkDecisions(catalog, parse(wrong))
    expect([cases.length, failures.map(({ name }) => name)]).toEqual([
      13,
      [
        'editors delete their own: ana, other_note, notes.item.read',
        'editors delete their own: ana, other_note, notes.item.delete',
      ],
    ])
    expect(report).toContain('expected EFFECT_DENY, decided EFFECT_ALLOW')
    expect(report).toContain(
      '- constraint: The record does not meet the constraint of EDITORS. Look at: ownerId.',
    )
    expect(() => failures[0]?.check()).toThrow(failures[0]?.report)
    expect(checkDecisions(catalog, parse(TABLE)).report).toBe('')
  })
})

describe('a table that could not fail is refused', () => {
  it.each([
    ['an action there is not', 'actions: [notes.item.read, notes.item.delete]', 'actions: [notes.item.reed]'],
    [
      'an action there is not, expected to be denied',
      'actions: [notes.item.read] }',
      'actions: [notes.item.reed] }',
    ],
    ['a principal there is not', 'principals: [ana, bob, ci]', 'principals: [ana, bob, ci, eve]'],
    [
      'a resource there is not',
      'resources: [ana_note, other_note]',
      'resources: [ana_note, other_note, gone]',
    ],
    ['a group there is not', 'groups: [EDITORS]', 'groups: [EDITOR]'],
    ['an inherited name', 'groups: [EDITORS]', 'groups: [constructor]'],
    [
      'an expectation of a principal that is not asked',
      'principals: [ana, bob, ci]',
      'principals: [bob, ci]',
    ],
    [
      'an expectation of an action that is not asked',
      'actions: [notes.item.read, notes.item.delete]',
      'actions: [notes.item.read]',
    ],
    [
      'an expectation of a resource that is not asked',
      'resources: [ana_note, other_note]',
      'resources: [ana_note]',
    ],
    ['the same cell twice', 'principal: ci, resource: other_note', 'principal: ci, resource: ana_note'],
    ['an effect there is not', 'notes.item.delete: EFFECT_ALLOW', 'notes.item.delete: ALLOW'],
    ['no principals', 'principals: [ana, bob, ci]', 'principals: []'],
    ['a misspelt field', 'expected: []', 'expect: []'],
    ['a misspelt field of a principal', 'id: u1, groups', 'id: u1, group'],
    ['a misspelt field of a package', 'status: active, expiresAt', 'status: active, expires'],
    ['a moment that is none', 'now: 2026-06-01T12:00:00Z', 'now: noon'],
    ['two tenants and nobody says which', 'tenants:', 'tenants:\n  other: { packages: [] }'],
    ['no tests', /tests:[\s\S]*/, 'tests: []'],
  ])('%s', (_, from, to) => {
    expect(parse(TABLE.replace(from, to))).not.toEqual(parse(TABLE))
    expect(thrown(() => checkDecisions(catalog, parse(TABLE.replace(from, to)))).code).toBe('INVALID_OPTION')
  })
})
