import fc from 'fast-check'
import type { Snapshot } from '../../src/index.ts'

/** Definitions as data: the oracles read these, not what the library made of them. */
export interface Definition {
  readonly tools: Readonly<Record<string, { name: string }>>
  readonly actions: Readonly<Record<string, { name: string; kind: 'read' | 'write' | 'admin' }>>
  readonly packages: Readonly<Record<string, { name: string; actions: readonly string[] }>>
}

export type Resource = Readonly<Record<string, unknown>>

const TOOLS = ['red', 'blue'] as const
export const ACTIONS = TOOLS.flatMap((tool) => ['a', 'b', 'c'].map((verb) => `${tool}.thing.${verb}`))
const PACKAGES = ['p1', 'p2', 'p3'] as const

const pattern = fc.constantFrom(...ACTIONS, ...TOOLS.map((tool) => `${tool}.*`))
/** What the catalogue may not know (any more). */
const anyPattern = fc.oneof(
  { weight: 12, arbitrary: pattern },
  { weight: 1, arbitrary: fc.constantFrom('red.gone.x', 'gone.*', '*', '') },
)
const storedPattern = anyPattern.filter((one) => one !== '')

export const definition: fc.Arbitrary<Definition> = fc.record({
  tools: fc.constant(Object.fromEntries(TOOLS.map((key) => [key, { name: key }]))),
  actions: fc
    .array(fc.constantFrom('read', 'write', 'admin'), {
      minLength: ACTIONS.length,
      maxLength: ACTIONS.length,
    })
    .map((kinds) =>
      Object.fromEntries(ACTIONS.map((key, at) => [key, { name: key, kind: kinds[at] as 'read' }])),
    ),
  packages: fc
    .tuple(...PACKAGES.map(() => fc.uniqueArray(pattern, { minLength: 2, maxLength: 6 })))
    .map((lists) =>
      Object.fromEntries(PACKAGES.map((key, at) => [key, { name: key, actions: lists[at] ?? [] }])),
    ),
})

/** Refusals are easy to come by: worlds in which much is permitted say more. */
const mostly = <T>(usual: T, ...rare: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rare) })

const DAY = 86_400_000
const START = Date.parse('2026-01-01T00:00:00Z')

/** Few moments, so that "exactly now" comes up all the time. */
export const moment = fc.integer({ min: 0, max: 5 }).map((day) => START + day * DAY)
const stamp = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(null, undefined) },
  { weight: 1, arbitrary: moment.map((at) => new Date(at).toISOString()) },
)

const text = fc.constantFrom('x', 'xy', 'y', 'u1', 'X', 'q\'"\\*')
const number = fc.constantFrom(-1, 0, 1, 2, 3)
export const scalar = fc.oneof(text, number, fc.boolean())

const numberTests = fc.record({ lt: number, lte: number, gt: number, gte: number }, { requiredKeys: [] })
const validField = fc.oneof(
  scalar,
  fc.array(text, { minLength: 1, maxLength: 3 }),
  fc.array(number, { minLength: 1, maxLength: 3 }),
  numberTests.filter((tests) => Object.keys(tests).length > 0),
  text.map((prefix) => ({ prefix })),
  scalar.map((eq) => ({ eq })),
  fc.array(text, { minLength: 1, maxLength: 3 }).map((values) => ({ in: values })),
)
/** One of each thing that cannot be read. */
export const UNREADABLE: readonly unknown[] = [
  null,
  {},
  [],
  'x',
  1,
  true,
  { a: null },
  { a: {} },
  { a: [] },
  { a: ['x', 1] },
  { a: { ne: 'x' } },
  { a: { eq: 'x', regex: '.*' } },
  { a: { lt: 'x' } },
  { a: { prefix: '' } },
  { own: false },
  { own: 'true' },
  { constructor: 'x' },
  JSON.parse('{"__proto__": {"a": "x"}}'),
  { 'a.b': 'x' },
  { n: Number.NaN },
  { n: 2 ** 60 },
]

const FIELDS = ['a', 'n', 'b', 'ownerId'] as const
export const constraints: fc.Arbitrary<unknown> = fc
  .tuple(fc.dictionary(fc.constantFrom(...FIELDS), validField, { maxKeys: 3 }), fc.boolean())
  .map(([fields, own]) =>
    own || Object.keys(fields).length === 0 ? { ...fields, own: true } : { ...fields },
  )

/** Missing, null, of the right type, and of another. */
export const resource: fc.Arbitrary<Resource | undefined> = fc.option(
  fc.dictionary(
    fc.constantFrom(...FIELDS),
    fc.oneof(
      { weight: 8, arbitrary: scalar },
      { weight: 1, arbitrary: fc.constantFrom(null, undefined, new Date(0), ['x']) },
    ),
    { minKeys: 2, maxKeys: 4 },
  ),
  { nil: undefined, freq: 6 },
)

const permission = fc.oneof(
  { weight: 5, arbitrary: fc.record({ action: storedPattern }) },
  { weight: 4, arbitrary: fc.record({ action: storedPattern, constraints }) },
  { weight: 1, arbitrary: fc.record({ action: storedPattern, constraints: fc.constantFrom(...UNREADABLE) }) },
  { weight: 1, arbitrary: fc.record({ action: storedPattern, effect: fc.constant('deny' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ action: storedPattern, effect: fc.constant('deny' as const), constraints }),
  },
)
const status = mostly('active', 'suspended')

const group = fc.record({
  name: fc.constantFrom('G1', 'G2'),
  status,
  permissions: fc.array(permission, { minLength: 1, maxLength: 5 }),
})
const held = fc.record(
  {
    key: fc.constantFrom(...PACKAGES, 'unknown'),
    status,
    assignedAt: stamp,
    expiresAt: stamp,
    actions: fc.array(storedPattern, { maxLength: 2 }),
  },
  { requiredKeys: ['key', 'status'] },
)
const override = fc.record({
  target: storedPattern,
  effect: fc.constantFrom('allow', 'allow', 'deny', null),
})
const keyPermission = permission.filter(({ action }) => !action.endsWith('*'))
const key = fc.record({ name: fc.constant('K'), status, expiresAt: stamp }).chain((base) =>
  fc.oneof(
    fc.constantFrom('read-only', 'write', 'admin').map((profile) => ({ ...base, profile })),
    fc.array(keyPermission, { maxLength: 4 }).map((permissions) => ({ ...base, permissions })),
  ),
)
const tenantStatus = mostly('active', 'suspended', 'deleting')
const tenant = fc.record({ status: tenantStatus })
const shared = {
  tenant,
  packages: fc.array(held, { minLength: 1, maxLength: 3 }),
  overrides: fc.array(override, { maxLength: 2 }),
}

export const snapshot: fc.Arbitrary<Snapshot> = fc.oneof(
  fc.record({
    ...shared,
    actor: fc.record({ type: fc.constant('user'), id: fc.constant('u1'), status }),
    groups: fc.array(group, { minLength: 0, maxLength: 3 }),
  }),
  fc.record({
    ...shared,
    actor: fc.record({ type: fc.constant('service'), id: fc.constant('u1'), status }),
    key,
  }),
) as fc.Arbitrary<Snapshot>
