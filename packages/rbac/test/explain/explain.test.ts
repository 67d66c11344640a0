import { describe, expect, it } from 'vitest'
import { createEvaluator, type Reason, type Snapshot } from '../../src/index.ts'
import { catalog, group, NOW, now, service, snapshot } from '../support/product.ts'

const READ = 'notes.item.read'
const iso = (at: number) => new Date(at).toISOString()
const explain = (loaded: Snapshot, resource?: object, action: typeof READ = READ) =>
  createEvaluator(catalog, loaded, { now }).explain(action, resource)
const mine = { action: READ, constraints: { own: true, status: ['open'] } } as const

describe('explain', () => {
  it('names the whole chain of what is permitted', () => {
    const groups = [group([{ action: 'notes.*', constraints: { own: true } }], 'EDITORS')]
    const packages = [{ key: 'pro', status: 'active', expiresAt: '2026-07-01T00:00:00Z' }] as const
    const { steps, missing, sentence } = explain(snapshot({ groups, packages }), { ownerId: 'u1' })
    expect(missing).toBeUndefined()
    expect(steps.map(({ link, reason }) => [link, reason])).toEqual([
      ['catalogue', 'ACTION_KNOWN'],
      ['tenant', 'TENANT_ACTIVE'],
      ['actor', 'ACTOR_ACTIVE'],
      ['package', 'PACKAGE_ENTITLES_UNTIL'],
      ['group', 'GROUP_GRANTS'],
      ['constraint', 'CONSTRAINT_HOLDS'],
    ])
    expect(sentence.en).toContain('The package pro includes the action until 2026-07-01 00:00 UTC.')
    expect(sentence.pt).toContain('O grupo EDITORS concede notes.*.')
    expect(sentence.es).toContain('El registro cumple la restricción de EDITORS.')
  })

  it.each<[Reason, Snapshot, string, object?]>([
    ['TENANT_NOT_ACTIVE', snapshot({ tenant: { status: 'suspended' } }), 'its status is suspended'],
    ['ACTOR_SUSPENDED', snapshot({ actor: { type: 'user', id: 'u1', status: 'suspended' } }), 'suspended'],
    ['PACKAGE_MISSING', snapshot({ packages: [] }), 'These do: basic, pro.'],
    ['PACKAGE_SUSPENDED', snapshot({ packages: [{ key: 'pro', status: 'suspended' }] }), 'pro'],
    [
      'PACKAGE_EXPIRED',
      snapshot({ packages: [{ key: 'pro', status: 'active', expiresAt: iso(NOW) }] }),
      '2026-06-01 12:00 UTC',
    ],
    [
      'PACKAGE_NOT_STARTED',
      snapshot({ packages: [{ key: 'pro', status: 'active', assignedAt: iso(NOW + 60_000) }] }),
      '2026-06-01 12:01 UTC',
    ],
    ['OVERRIDE_DENIES', snapshot({ overrides: [{ target: 'notes.*', effect: 'deny' }] }), 'denies notes.*'],
    ['NO_GROUP', snapshot({ groups: [] }), 'no group'],
    ['GROUP_MISSING', snapshot({ groups: [group([], 'A'), group([], 'B')] }), 'A, B'],
    [
      'GROUP_SUSPENDED',
      snapshot({ groups: [{ ...group([{ action: READ }], 'A'), status: 'suspended' }] }),
      'suspended',
    ],
    [
      'GROUP_DENIES',
      snapshot({ groups: [group([{ action: READ }]), group([{ action: 'notes.*', effect: 'deny' }], 'B')] }),
      'The group B denies notes.*',
    ],
    ['RECORD_NEEDED', snapshot({ groups: [group([mine])] }), 'ownerId, status'],
    [
      'CONSTRAINT_FAILS',
      snapshot({ groups: [group([mine])] }),
      'Look at: status.',
      { ownerId: 'u1', status: 'done' },
    ],
    ['CONSTRAINT_UNREADABLE', snapshot({ groups: [group([{ action: READ, constraints: {} }])] }), '(empty)'],
    [
      'DENY_APPLIES',
      snapshot({ groups: [group([{ action: READ }, { ...mine, effect: 'deny' }], 'B')] }),
      'B denies it',
      {},
    ],
    [
      'DENY_UNREADABLE',
      snapshot({
        groups: [group([{ action: READ }, { action: READ, effect: 'deny', constraints: null }], 'B')],
      }),
      '(not_an_object)',
    ],
    ['KEY_SUSPENDED', service({}, { key: { name: 'ci', status: 'suspended', profile: 'admin' } }), 'ci'],
    ['KEY_EXPIRED', service({ profile: 'admin', expiresAt: iso(NOW) }), 'expired at 2026-06-01 12:00 UTC'],
    ['KEY_MISSING', service({ permissions: [] }), 'ci'],
    [
      'KEY_DENIES',
      service({ permissions: [{ action: READ }, { action: READ, effect: 'deny' }] }),
      'ci denies',
    ],
  ])('%s', (reason, loaded, words, resource) => {
    const { allowed, missing, sentence } = explain(loaded, resource)
    expect([allowed, missing?.reason]).toEqual([false, reason])
    expect(sentence).toEqual(missing?.sentence)
    expect(sentence.en).toContain(words)
    expect(new Set(Object.values(sentence)).size).toBe(3)
  })

  it('names the profile and the kind it lacks', () => {
    const evaluator = createEvaluator(catalog, service({ profile: 'read-only' }), { now })
    const { missing } = evaluator.explain('notes.item.create')
    expect([missing?.reason, missing?.names]).toEqual([
      'PROFILE_LACKS',
      { holder: 'ci', profile: 'read-only', kind: 'write' },
    ])
    expect(evaluator.explain(READ).steps.at(-1)?.reason).toBe('PROFILE_GRANTS')
  })

  it('names an action that nobody sells, or that is not there', () => {
    const unsold = [{ target: 'notes.item.read', effect: 'allow' }] as const
    expect(explain(snapshot({ packages: [], overrides: unsold })).steps[3]?.reason).toBe('OVERRIDE_ALLOWS')
    expect(explain(snapshot(), undefined, 'notes.item.reed' as typeof READ).missing?.reason).toBe(
      'ACTION_UNKNOWN',
    )
  })

  it('shows each link by itself: more than one may be missing', () => {
    const { steps } = explain(snapshot({ packages: [], groups: [] }))
    expect(steps.filter(({ ok }) => !ok).map(({ link }) => link)).toEqual(['package', 'group'])
  })

  it('shows fields, never values', () => {
    const { sentence, steps } = explain(snapshot({ groups: [group([mine])] }), {
      ownerId: 'ana@example.com',
      status: 'done',
    })
    expect(JSON.stringify([sentence, steps])).not.toMatch(/example\.com|done|open/)
  })
})
