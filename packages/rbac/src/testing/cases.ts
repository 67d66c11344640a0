import type { Catalog } from '../catalog/model.ts'
import { createEvaluator, type Evaluator } from '../evaluate/evaluator.ts'
import {
  type DecisionTable,
  type Effect,
  named,
  parseTable,
  snapshotOf,
  type TableTest,
  wrong,
} from './table.ts'

/** One cell of a decision table, decided. */
export interface DecisionCase {
  /** `test: principal, resource, action` */
  readonly name: string
  readonly principal: string
  readonly resource: string | undefined
  readonly action: string
  readonly expected: Effect
  readonly actual: Effect
  readonly ok: boolean
  /** Why it was decided so, link by link. */
  readonly report: string
  /** Throws the report when the decision is not the expected one. */
  check(): void
}

/** The outcome of a whole table. */
export interface DecisionReport {
  readonly cases: readonly DecisionCase[]
  readonly failures: readonly DecisionCase[]
  /** The failures in words; empty when there is none. */
  readonly report: string
}

/**
 * The decisions of a table, for a test runner: `it.each(decisionCases(catalog, table))('$name', (one) => one.check())`.
 *
 * @param table parsed YAML or JSON in the shape of {@link DecisionTable}
 * @throws TenancyError INVALID_OPTION for a table that is not valid, or names what is not there
 * @example
 * ```ts
 * import { defineCatalog } from '@org/rbac'
 * import { decisionCases } from '@org/rbac/testing'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: { basic: { name: 'Basic', actions: ['notes.*'] } },
 * })
 * // In YAML, as a file; in a test runner: it.each(decisionCases(catalog, table))('$name', (one) => one.check())
 * const table = {
 *   name: 'Notes',
 *   tenants: { acme: { packages: [{ key: 'basic', status: 'active' }] } },
 *   groups: { READERS: { permissions: [{ action: 'notes.item.read' }] } },
 *   principals: { ana: { id: 'u1', groups: ['READERS'] } },
 *   tests: [
 *     {
 *       name: 'readers read',
 *       input: { principals: ['ana'], actions: ['notes.item.read'] },
 *       expected: [{ principal: 'ana', actions: { 'notes.item.read': 'EFFECT_ALLOW' } }],
 *     },
 *   ],
 * }
 * for (const one of decisionCases(catalog, table)) one.check()
 * ```
 */
export function decisionCases(catalog: Catalog, table: unknown): DecisionCase[] {
  const parsed = parseTable(table)
  return parsed.tests.flatMap((test) => casesOf(catalog, parsed, test))
}

/**
 * Decides a whole table at once, for a command line or a single assertion.
 *
 * @example
 * ```ts
 * import { defineCatalog } from '@org/rbac'
 * import { checkDecisions } from '@org/rbac/testing'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: {},
 * })
 * // What is not expected to be permitted has to be denied.
 * const input = { principals: ['ana'], actions: ['notes.item.read'] }
 * const tests = [{ name: 'nobody', input, expected: [] }]
 * const table = { name: 'Notes', tenants: { acme: { packages: [] } }, principals: { ana: { id: 'u1' } }, tests }
 * checkDecisions(catalog, table).report // → ''
 * ```
 */
export function checkDecisions(catalog: Catalog, table: unknown): DecisionReport {
  const cases = decisionCases(catalog, table)
  const failures = cases.filter(({ ok }) => !ok)
  return { cases, failures, report: failures.map(({ report }) => report).join('\n\n') }
}

function casesOf(catalog: Catalog, table: DecisionTable, test: TableTest): DecisionCase[] {
  const { principals, resources, actions } = test.input
  checkExpectations(catalog, test)
  const now = momentOf(test.options?.now ?? table.options?.now)
  return principals.flatMap((principal) => {
    const evaluator = createEvaluator(catalog, snapshotOf(table, principal), { now: () => now })
    return (resources ?? [undefined]).flatMap((resource) => {
      const record =
        resource === undefined ? undefined : named(table.resources ?? {}, resource, 'resources').attr
      return actions.map((action) => {
        const expected = expectedOf(test, principal, resource, action)
        return decide(evaluator, test.name, { principal, resource, action, expected }, record)
      })
    })
  })
}

type Cell = Pick<DecisionCase, 'principal' | 'resource' | 'action' | 'expected'>

function decide(evaluator: Evaluator, test: string, cell: Cell, record: object | undefined): DecisionCase {
  const { allowed, steps } = evaluator.explain(cell.action, record)
  const actual: Effect = allowed ? 'EFFECT_ALLOW' : 'EFFECT_DENY'
  const ok = actual === cell.expected
  const name = `${test}: ${[cell.principal, cell.resource, cell.action].filter(Boolean).join(', ')}`
  const report = [
    `${name}: expected ${cell.expected}, decided ${actual}`,
    ...steps.map((step) => `  ${step.ok ? '+' : '-'} ${step.link}: ${step.sentence.en}`),
  ].join('\n')
  const check = () => {
    if (!ok) throw new Error(report)
  }
  return { ...cell, name, actual, ok, report, check }
}

function expectedOf(
  test: TableTest,
  principal: string,
  resource: string | undefined,
  action: string,
): Effect {
  const found = test.expected.find((one) => one.principal === principal && one.resource === resource)
  return found && Object.hasOwn(found.actions, action) ? (found.actions[action] as Effect) : 'EFFECT_DENY'
}

/** An expectation about something the test does not ask would never be looked at. */
function checkExpectations(catalog: Catalog, { name, input, expected }: TableTest): void {
  const seen = new Set<string>()
  for (const action of input.actions) {
    if (!catalog.has(action)) throw wrong(name, `The catalogue has no action ${JSON.stringify(action)}.`)
  }
  for (const { principal, resource, actions } of expected) {
    const asked =
      input.principals.includes(principal) &&
      (resource === undefined ? input.resources === undefined : input.resources?.includes(resource)) &&
      Object.keys(actions).every((action) => input.actions.includes(action))
    if (!asked)
      throw wrong(
        name,
        'It expects something of a principal, resource or action that its input does not have.',
      )
    const cell = JSON.stringify([principal, resource])
    if (seen.has(cell)) throw wrong(name, 'It expects something of the same principal and resource twice.')
    seen.add(cell)
  }
}

function momentOf(now: string | undefined): number {
  if (now === undefined) return Date.now()
  const moment = Date.parse(now)
  if (Number.isNaN(moment)) throw wrong('options.now', 'It is a moment in ISO 8601.')
  return moment
}
