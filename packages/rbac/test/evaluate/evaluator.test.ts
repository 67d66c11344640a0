import { toErrorBody } from '@org/core'
import { describe, expect, it } from 'vitest'
import { makeCatalog } from '../../src/catalog/define.ts'
import { type AssignedPackage, createEvaluator, type Snapshot } from '../../src/index.ts'
import { thrown } from '../support/codes.ts'
import { ALL, catalog, group, NOW, now, service, snapshot } from '../support/product.ts'

const READ = 'notes.item.read'
const iso = (at: number) => new Date(at).toISOString()
const allowed = (changes: Snapshot) =>
  createEvaluator(catalog, changes, { now })
    .list()
    .map(({ action }) => action)

describe('deny by default', () => {
  it.each<[string, Snapshot]>([
    ['no groups', snapshot({ groups: [] })],
    ['groups left out', snapshot({ groups: undefined })],
    ['a group without permissions', snapshot({ groups: [group([])] })],
    ['no packages', snapshot({ packages: [] })],
    ['a package that is suspended', snapshot({ packages: [{ key: 'pro', status: 'suspended' }] })],
    ['a package nobody knows', snapshot({ packages: [{ key: 'gold', status: 'active' }] })],
    [
      'a package named like what every object has',
      snapshot({ packages: [{ key: 'constructor', status: 'active' }] }),
    ],
    [
      'a stored package without actions',
      snapshot({ packages: [{ key: 'pro', status: 'active', actions: [] }] }),
    ],
    ['a suspended group', snapshot({ groups: [{ ...group([{ action: READ }]), status: 'suspended' }] })],
    [
      'a grant of what the catalogue no longer has',
      snapshot({ groups: [group([{ action: 'notes.item.gone' }, { action: 'gone.*' }, { action: '*' }])] }),
    ],
    ['a suspended tenant', snapshot({ tenant: { status: 'suspended' } })],
    ['a tenant being made', snapshot({ tenant: { status: 'provisioning' } })],
    ['a suspended user', snapshot({ actor: { type: 'user', id: 'u1', status: 'suspended' } })],
    [
      'a suspended key',
      service({ profile: 'admin' }, { key: { name: 'ci', status: 'suspended', profile: 'admin' } }),
    ],
    ['a key without actions', service({ permissions: [] })],
  ])('%s', (_, loaded) => {
    expect(allowed(loaded)).toEqual([])
  })

  it('an action the catalogue does not have, whatever it is called', () => {
    const everything = createEvaluator(catalog, service({ profile: 'admin' }))
    for (const action of ['notes.item.reed', 'toString', '__proto__', '', 'notes.*', '*']) {
      // @ts-expect-error it does not compile either
      const answer = everything.can(action)
      expect(answer).toBe(false)
      expect(everything.where(action as typeof READ)).toEqual({ op: 'never' })
    }
  })
})

describe('the union over groups', () => {
  const mine = { action: READ, constraints: { own: true } }
  it.each([
    [[mine], [{ action: READ }]],
    [[{ action: READ }], [mine]],
    [[mine, { action: 'notes.*' }], []],
  ])('a grant on all records beats one on some (%#)', (...permissions) => {
    const evaluator = createEvaluator(catalog, snapshot({ groups: permissions.map((one) => group(one)) }), {
      now,
    })
    expect(evaluator.can(READ)).toBe(true)
    expect(evaluator.where(READ)).toEqual({ op: 'always' })
    expect(evaluator.list()[0]).toEqual({ action: READ, constrained: false })
  })

  it('grants on some records add up', () => {
    const some = [mine, { action: READ, constraints: { shared: true } }]
    const evaluator = createEvaluator(catalog, snapshot({ groups: some.map((one) => group([one])) }), { now })
    const records = [{ ownerId: 'u1' }, { shared: true }, { shared: false, ownerId: 'u2' }, undefined]
    expect(records.map((one) => evaluator.can(READ, one))).toEqual([true, true, false, false])
    expect(evaluator.list()).toEqual([{ action: READ, constrained: true }])
  })
})

describe('an explicit deny wins', () => {
  const deny = { action: READ, effect: 'deny' } as const
  it.each([
    [[group([deny]), group([{ action: READ }])]],
    [[group([{ action: READ }]), group([deny])]],
    [[group([{ action: READ }, { action: 'notes.*', effect: 'deny' }])]],
    [[group([{ action: 'notes.*' }, deny])]],
    [[group([deny]), group([{ action: READ, constraints: { own: true } }])]],
  ])('whatever grants, in whatever order (%#)', (groups) => {
    expect(createEvaluator(catalog, snapshot({ groups }), { now }).can(READ, { ownerId: 'u1' })).toBe(false)
  })

  it('of an override, over packages and other overrides', () => {
    const overrides = [
      { target: 'notes.item.read', effect: 'deny' },
      { target: 'notes.*', effect: 'allow' },
    ] as const
    for (const order of [overrides, overrides.toReversed()]) {
      expect(allowed(snapshot({ overrides: order }))).toEqual([])
    }
  })

  it('of a suspended group says nothing', () => {
    const groups = [group([{ action: READ }]), { ...group([deny]), status: 'suspended' as const }]
    expect(allowed(snapshot({ groups }))).toEqual([READ])
  })
})

describe('entitlement', () => {
  const everything = [group([{ action: 'notes.*' }, { action: 'billing.*' }])]
  it('bounds what groups grant', () => {
    const packages = [{ key: 'basic', status: 'active' }] as const
    expect(allowed(snapshot({ groups: everything, packages }))).toEqual([
      'notes.item.read',
      'notes.item.create',
    ])
  })

  it('bounds what is granted on some records', () => {
    const groups = [group([{ action: READ, constraints: { own: true } }])]
    const evaluator = createEvaluator(catalog, snapshot({ groups, packages: [] }), { now })
    expect(evaluator.where(READ)).toEqual({ op: 'never' })
    expect(evaluator.can(READ, { ownerId: 'u1' })).toBe(false)
  })

  it('an override adds to it, and grants nobody anything', () => {
    const overrides = [{ target: 'billing.invoice.pay', effect: 'allow' }] as const
    expect(allowed(snapshot({ groups: everything, packages: [], overrides }))).toEqual([
      'billing.invoice.pay',
    ])
    expect(allowed(snapshot({ groups: [], packages: [], overrides }))).toEqual([])
  })

  it('stored actions of a package stand in the place of the catalogue’s', () => {
    const packages = [{ key: 'basic', status: 'active', actions: ['billing.*'] }] as const
    expect(allowed(snapshot({ groups: everything, packages }))).toEqual([
      'billing.invoice.read',
      'billing.invoice.pay',
    ])
  })
})

describe('API keys', () => {
  const reads = ['notes.item.read', 'billing.invoice.read']
  it.each([
    ['read-only', reads],
    ['write', ALL.filter((key) => key !== 'notes.share.manage')],
    ['admin', [...ALL]],
  ] as const)('%s', (profile, expected) => {
    expect(allowed(service({ profile }))).toEqual(expected)
  })

  it('never exceed their tenant', () => {
    const packages = [{ key: 'basic', status: 'active' }] as const
    expect(allowed(service({ profile: 'admin' }, { packages }))).toEqual([
      'notes.item.read',
      'notes.item.create',
    ])
    expect(allowed(service({ permissions: [{ action: 'billing.invoice.pay' }] }, { packages }))).toEqual([])
  })

  it('a read-only profile gains no write action when the catalogue grows or changes', () => {
    const grown = (kind: 'read' | 'write' | 'admin') =>
      makeCatalog({
        tools: { notes: { name: 'Notes' } },
        actions: { 'notes.item.read': { name: 'r', kind: 'read' }, 'notes.item.new': { name: 'n', kind } },
        packages: { pro: { name: 'Pro', actions: ['notes.*'] } },
      })
    const can = (kind: 'read' | 'write' | 'admin') =>
      createEvaluator(grown(kind), service({ profile: 'read-only' }), { now }).can('notes.item.new')
    expect([can('read'), can('write'), can('admin')]).toEqual([true, false, false])
  })

  it('grant what they list, also on some records, and deny', () => {
    const permissions = [
      { action: READ, constraints: { own: true } },
      { action: 'notes.item.create' },
      { action: 'notes.item.delete' },
      { action: 'notes.item.delete', effect: 'deny' },
    ] as const
    const evaluator = createEvaluator(catalog, service({ permissions }), { now })
    expect(evaluator.list()).toEqual([
      { action: READ, constrained: true },
      { action: 'notes.item.create', constrained: false },
    ])
  })
})

describe('time', () => {
  const termed = (term: Omit<AssignedPackage, 'key' | 'status'>) =>
    snapshot({ packages: [{ key: 'pro', status: 'active', ...term }] })

  it.each([
    ['a package', (at: number) => termed({ expiresAt: iso(at) })],
    ['a key', (at: number) => service({ profile: 'write', expiresAt: iso(at) })],
  ])('%s has expired at the very moment of its expiry', (_, loaded) => {
    const can = (at: number) => createEvaluator(catalog, loaded(NOW), { now: () => at }).can(READ)
    expect([can(NOW - 1), can(NOW), can(NOW + 1)]).toEqual([true, false, false])
  })

  it('a package begins at the very moment it was assigned for', () => {
    const can = (at: number) =>
      createEvaluator(catalog, termed({ assignedAt: iso(NOW) }), { now: () => at }).can(READ)
    expect([can(NOW - 1), can(NOW), can(NOW + 1)]).toEqual([false, true, true])
  })

  it('an evaluator built before an expiry honours it, and a beginning, without being built again', () => {
    let clock = NOW
    const loaded = snapshot({
      packages: [
        { key: 'basic', status: 'active', expiresAt: iso(NOW + 10) },
        { key: 'pro', status: 'active', assignedAt: iso(NOW + 20), expiresAt: iso(NOW + 30) },
      ],
    })
    const evaluator = createEvaluator(catalog, loaded, { now: () => clock })
    const can = (at: number) => {
      clock = at
      return [evaluator.can(READ), evaluator.list().length > 0, evaluator.where(READ).op]
    }
    const [yes, no] = [
      [true, true, 'always'],
      [false, false, 'never'],
    ]
    expect([0, 9, 10, 19, 20, 29, 30, 9].map((after) => can(NOW + after))).toEqual([
      yes,
      yes,
      no,
      no,
      yes,
      yes,
      no,
      yes,
    ])
  })

  it('a clock that says NaN finds nothing live that has a term, and is not believed afterwards', () => {
    let clock = NOW
    const evaluator = createEvaluator(catalog, termed({ expiresAt: iso(NOW + 10) }), { now: () => clock })
    const can = (at: number) => {
      clock = at
      return evaluator.can(READ)
    }
    expect([NOW, Number.NaN, NOW, Number.NaN].map(can)).toEqual([true, false, true, false])
  })

  it('does not read the clock when nothing can expire', () => {
    let reads = 0
    const count = () => {
      reads++
      return NOW
    }
    const loaded = termed({ assignedAt: iso(NOW - 1) })
    const evaluator = createEvaluator(catalog, loaded, { now: count })
    for (let times = 0; times < 10; times++) evaluator.can(READ)
    expect(reads).toBe(1)
  })

  it('a moment can be asked for: a Date or milliseconds', () => {
    const evaluator = createEvaluator(
      catalog,
      termed({ assignedAt: iso(NOW - 5), expiresAt: iso(NOW + 5) }),
      { now },
    )
    const moments = [NOW - 6, NOW - 5, NOW, NOW + 4, NOW + 5]
    const expected = [false, true, true, true, false]
    expect(moments.map((at) => evaluator.can(READ, undefined, at))).toEqual(expected)
    expect(moments.map((at) => evaluator.can(READ, undefined, new Date(at)))).toEqual(expected)
    expect(moments.map((at) => evaluator.asOf(at).can(READ))).toEqual(expected)
    expect(moments.map((at) => evaluator.explain(READ, null, at).allowed)).toEqual(expected)
    expect(moments.map((at) => evaluator.list(at).length > 0)).toEqual(expected)
    expect(moments.map((at) => evaluator.where(READ, at).op === 'always')).toEqual(expected)
    expect(evaluator.can(READ)).toBe(true)
  })

  it.each([Number.NaN, new Date('x'), '2026-01-01' as never, null as never])(
    'refuses %s as a moment',
    (at) => {
      const evaluator = createEvaluator(catalog, snapshot(), { now })
      expect(thrown(() => evaluator.can(READ, undefined, at)).code).toBe('VALIDATION_ERROR')
      expect(thrown(() => evaluator.asOf(at)).code).toBe('VALIDATION_ERROR')
    },
  )
})

describe('assert', () => {
  const evaluator = createEvaluator(catalog, snapshot(), { now })
  it('says nothing when it is permitted', () => {
    expect(evaluator.assert(READ)).toBeUndefined()
  })

  it('throws FORBIDDEN_ACTION with the action and nothing else', () => {
    const error = thrown(() => evaluator.assert('billing.invoice.pay', { ownerId: 'secret' }))
    expect([error.code, error.status, error.details]).toEqual([
      'FORBIDDEN_ACTION',
      403,
      { action: 'billing.invoice.pay' },
    ])
    expect(JSON.stringify([error.message, toErrorBody(error)])).not.toMatch(/READERS|pro|secret/)
  })

  it('does not repeat what is no action', () => {
    const error = thrown(() => evaluator.assert("x'; drop table" as typeof READ))
    expect(error.details).toEqual({ action: 'not an action' })
  })
})

describe('changesWhen', () => {
  const groups = [group([{ action: 'notes.*' }])]
  it('names what the tenant loses, and what of it this actor could do', () => {
    const packages = [
      { key: 'basic', status: 'active' },
      { key: 'pro', status: 'active', expiresAt: iso(NOW + 5) },
    ] as const
    const evaluator = createEvaluator(catalog, snapshot({ groups, packages }), { now })
    expect(evaluator.changesWhen('pro')).toEqual({
      at: new Date(NOW + 5),
      tenantLoses: ['notes.item.delete', 'notes.share.manage', 'billing.invoice.read'],
      actorLoses: ['notes.item.delete', 'notes.share.manage'],
    })
    expect(evaluator.changesWhen('basic')).toEqual({ at: null, tenantLoses: [], actorLoses: [] })
    expect(evaluator.changesWhen('pay-2026')).toEqual({ at: null, tenantLoses: [], actorLoses: [] })
  })

  it('does not count what another package has ceased to entitle by then', () => {
    const packages = [
      { key: 'basic', status: 'active', expiresAt: iso(NOW + 5) },
      { key: 'pro', status: 'active', expiresAt: iso(NOW + 5) },
    ] as const
    const { tenantLoses } = createEvaluator(catalog, snapshot({ groups, packages }), { now }).changesWhen(
      'basic',
    )
    expect(tenantLoses).toEqual(['notes.item.read', 'notes.item.create'])
  })

  it('is what asOf shows', () => {
    const packages = [{ key: 'pro', status: 'active', expiresAt: iso(NOW + 5) }] as const
    const evaluator = createEvaluator(catalog, snapshot({ groups, packages }), { now })
    const { at, actorLoses } = evaluator.changesWhen('pro')
    const before = evaluator.asOf(NOW + 4).list()
    expect(before.map(({ action }) => action)).toEqual(actorLoses)
    expect(evaluator.asOf(at as Date).list()).toEqual([])
  })
})
