import { describe, expect, it } from 'vitest'
import { createEvaluator, parseSnapshot, type Snapshot } from '../../src/index.ts'
import { thrown } from '../support/codes.ts'
import { catalog, service, snapshot } from '../support/product.ts'

const user = snapshot({
  tenant: { status: 'active', limits: { max_users: 3 }, flags: { sso: true } },
  overrides: [{ target: 'notes.*', effect: null, limits: { max_notes: null }, flags: null }],
  plan: { key: 'team', limits: { max_users: 5 }, features: ['sso'] },
})
const key = service({ profile: 'write', expiresAt: '2027-01-01T00:00:00+00:00' })

/** A copy with one place of it changed; `undefined` removes it. */
function changed(whole: Snapshot, path: string, value: unknown): unknown {
  const copy: Record<string, unknown> = { ...structuredClone(whole) }
  const steps = path.split('.')
  const last = steps.pop() as string
  const at = steps.reduce((part, name) => part[name] as Record<string, unknown>, copy)
  if (value === undefined) delete at[last]
  else Object.defineProperty(at, last, { value, enumerable: true, configurable: true })
  return copy
}

describe('parseSnapshot', () => {
  it('returns what is valid as it is', () => {
    for (const valid of [user, key]) expect(parseSnapshot(valid)).toBe(valid)
  })

  it.each([null, undefined, 'x', 1, [], [user]])('refuses %j', (value) => {
    expect(thrown(() => parseSnapshot(value)).details).toEqual({ option: 'snapshot.snapshot' })
  })

  it.each<[Snapshot, string, unknown, string]>([
    [user, 'extra', 1, 'snapshot'],
    [user, '__proto__', {}, 'snapshot'],
    [user, 'tenant', undefined, 'tenant'],
    [user, 'tenant', null, 'tenant'],
    [user, 'tenant.status', 'ACTIVE', 'tenant.status'],
    [user, 'tenant.status', undefined, 'tenant.status'],
    [user, 'tenant.status', true, 'tenant.status'],
    [user, 'tenant.limits', { max_users: -1 }, 'tenant.limits'],
    [user, 'tenant.limits', { max_users: '5' }, 'tenant.limits'],
    [user, 'tenant.limits', [], 'tenant.limits'],
    [user, 'tenant.flags', { sso: 'yes' }, 'tenant.flags'],
    [user, 'actor.type', 'admin', 'actor.type'],
    [user, 'actor.id', '', 'actor.id'],
    [user, 'actor.id', 7, 'actor.id'],
    [user, 'actor.status', undefined, 'actor.status'],
    [user, 'actor.status', 'deleted', 'actor.status'],
    [user, 'packages', undefined, 'packages'],
    [user, 'packages', {}, 'packages'],
    [user, 'packages.0', 'pro', 'packages'],
    [user, 'packages.0.status', undefined, 'packages.status'],
    [user, 'packages.0.expires_at', '2020-01-01T00:00:00Z', 'packages'],
    [user, 'packages.0.expiresAt', 'soon', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', '', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', 'infinity', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', '2026-01-01', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', '2026-01-01T00:00:00', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', '2026-13-01T00:00:00Z', 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', 1_700_000_000, 'packages.expiresAt'],
    [user, 'packages.0.expiresAt', new Date(), 'packages.expiresAt'],
    [user, 'packages.0.assignedAt', 'x', 'packages.assignedAt'],
    [user, 'packages.0.actions', '*', 'packages.actions'],
    [user, 'packages.0.actions', [1], 'packages.actions'],
    [user, 'overrides.0.effect', 'permit', 'overrides.effect'],
    [user, 'overrides.0.target', undefined, 'overrides.target'],
    [user, 'overrides.0.limits', { max_notes: Number.NaN }, 'overrides.limits'],
    [user, 'overrides.0.flags', { a: 1 }, 'overrides.flags'],
    [user, 'plan.limits', null, 'plan.limits'],
    [user, 'plan.limits', { a: Number.POSITIVE_INFINITY }, 'plan.limits'],
    [user, 'plan.features', 'sso', 'plan.features'],
    [user, 'plan.key', undefined, 'plan.key'],
    [user, 'groups.0.status', undefined, 'groups.status'],
    [user, 'groups.0.status', 'deleted', 'groups.status'],
    [user, 'groups.0.permissions', undefined, 'groups.permissions'],
    [user, 'groups.0.permissions.0', 'notes.item.read', 'groups.permissions'],
    [user, 'groups.0.permissions.0.action', 7, 'groups.permissions.action'],
    [user, 'groups.0.permissions.0.effect', 'DENY', 'groups.permissions.effect'],
    [user, 'groups.0.permissions.0.effect', null, 'groups.permissions.effect'],
    [user, 'groups.0.permissions.0.scope', { own: true }, 'groups.permissions'],
    [user, 'groups.0.permissions.0.constraint', { own: true }, 'groups.permissions'],
    [user, 'key', key.key, 'key'],
    [key, 'key', undefined, 'key'],
    [key, 'key', null, 'key'],
    [key, 'actor.type', 'user', 'key'],
    [key, 'groups', user.groups, 'groups'],
    [key, 'key.status', 'revoked', 'key.status'],
    [key, 'key.profile', 'readonly', 'key.profile'],
    [key, 'key.profile', undefined, 'key'],
    [key, 'key.permissions', [], 'key'],
    [key, 'key.expiresAt', 'never', 'key.expiresAt'],
  ])('refuses (%#) %s.%s = %j', (whole, path, value, place) => {
    const input = changed(whole, path, value)
    const error = thrown(() => parseSnapshot(input))
    expect([error.code, error.details]).toEqual(['INVALID_OPTION', { option: `snapshot.${place}` }])
    expect(thrown(() => createEvaluator(catalog, input as Snapshot)).code).toBe('INVALID_OPTION')
  })

  it('refuses tool.* for a key: it would grow with the catalogue', () => {
    const wide = service({ permissions: [{ action: 'notes.*' }] })
    expect(thrown(() => parseSnapshot(wide)).details).toEqual({ option: 'snapshot.key.permissions' })
  })

  it('never repeats a value', () => {
    const secret = changed(user, 'tenant.status', 'hunter2')
    expect(thrown(() => parseSnapshot(secret)).message).not.toContain('hunter2')
  })

  it.each([
    '2026-06-01T12:00:00+00:00',
    '2026-06-01T09:00:00.000001-03',
    '2026-06-01 12:00:00Z',
    '2026-06-01T17:30:00+0530',
  ])('reads the moment %s', (expiresAt) => {
    const one = createEvaluator(
      catalog,
      snapshot({ packages: [{ key: 'pro', status: 'active', expiresAt }] }),
    )
    expect(one.changesWhen('pro').at).toEqual(new Date('2026-06-01T12:00:00Z'))
  })
})
