import {
  checkMoment,
  checkOneOf,
  checkText,
  checkValues,
  fieldsOf,
  invalid,
  isFlag,
  isLimit,
  listOf,
} from './check.ts'
import type { Snapshot } from './model.ts'

const known = (...names: string[]): ReadonlySet<string> => new Set(names)

const SNAPSHOT = known('tenant', 'actor', 'packages', 'overrides', 'plan', 'groups', 'key')
const TENANT = known('status', 'limits', 'flags')
const ACTOR = known('type', 'id', 'status')
const PACKAGE = known('key', 'status', 'assignedAt', 'expiresAt', 'actions')
const OVERRIDE = known('target', 'effect', 'limits', 'flags')
const PLAN = known('key', 'limits', 'features')
const GROUP = known('name', 'status', 'permissions')
const KEY = known('name', 'status', 'expiresAt', 'profile', 'permissions')
const PERMISSION = known('action', 'effect', 'constraints')

const STATUS = ['active', 'suspended']
const TENANT_STATUS = ['active', 'suspended', 'provisioning', 'deleting', 'deleted']

/**
 * Checks what a store loaded, to the last field, and returns it as it is. Actions and packages that the catalogue does
 * not know are no error (they grant nothing); neither are constraints that cannot be read (see the README's table).
 *
 * @throws TenancyError INVALID_OPTION; `details.option` names the place
 * @example
 * ```ts
 * import { parseSnapshot } from '@org/rbac'
 *
 * const snapshot = parseSnapshot({
 *   tenant: { status: 'active' },
 *   actor: { type: 'user', id: 'u1', status: 'active' },
 *   packages: [],
 * })
 * snapshot.tenant.status // → 'active'
 * parseSnapshot({ tenant: { status: 'asleep' } }) // → throws INVALID_OPTION
 * ```
 */
export function parseSnapshot(value: unknown): Snapshot {
  const { tenant, actor, packages, overrides, plan, groups, key } = fieldsOf(value, 'snapshot', SNAPSHOT)
  checkTenant(tenant)
  const { type, id, status } = fieldsOf(actor, 'actor', ACTOR)
  checkOneOf(type, 'actor.type', ['user', 'service'])
  checkText(id, 'actor.id')
  checkOneOf(status, 'actor.status', STATUS)
  for (const one of listOf(packages, 'packages')) checkPackage(one)
  for (const one of listOf(overrides, 'overrides', true)) checkOverride(one)
  checkPlan(plan)
  const memberships = listOf(groups, 'groups', true)
  for (const one of memberships) checkGroup(one)
  checkKey(key)
  const hasKey = key !== undefined && key !== null
  if (hasKey !== (type === 'service')) throw invalid('key', 'belongs to a service, and a service has one')
  if (hasKey && memberships.length > 0)
    throw invalid('groups', 'are for users: a key grants what it says and no more')
  return value as Snapshot
}

function checkTenant(value: unknown): void {
  const { status, limits, flags } = fieldsOf(value, 'tenant', TENANT)
  checkOneOf(status, 'tenant.status', TENANT_STATUS)
  checkValues(limits, 'tenant.limits', isLimit)
  checkValues(flags, 'tenant.flags', isFlag)
}

function checkPackage(value: unknown): void {
  const { key, status, assignedAt, expiresAt, actions } = fieldsOf(value, 'packages', PACKAGE)
  checkText(key, 'packages.key')
  checkOneOf(status, 'packages.status', STATUS)
  checkMoment(assignedAt, 'packages.assignedAt')
  checkMoment(expiresAt, 'packages.expiresAt')
  for (const action of listOf(actions, 'packages.actions', true)) checkText(action, 'packages.actions')
}

function checkOverride(value: unknown): void {
  const { target, effect, limits, flags } = fieldsOf(value, 'overrides', OVERRIDE)
  checkText(target, 'overrides.target')
  checkOneOf(effect, 'overrides.effect', ['allow', 'deny', null, undefined])
  checkValues(limits, 'overrides.limits', isLimit)
  checkValues(flags, 'overrides.flags', isFlag)
}

function checkPlan(value: unknown): void {
  if (value === undefined || value === null) return
  const { key, limits, features } = fieldsOf(value, 'plan', PLAN)
  checkText(key, 'plan.key')
  if (typeof limits !== 'object' || limits === null) throw invalid('plan.limits', 'is not an object')
  checkValues(limits, 'plan.limits', isLimit)
  for (const feature of listOf(features, 'plan.features', true)) checkText(feature, 'plan.features')
}

function checkGroup(value: unknown): void {
  const { name, status, permissions } = fieldsOf(value, 'groups', GROUP)
  checkText(name, 'groups.name')
  checkOneOf(status, 'groups.status', STATUS)
  for (const one of listOf(permissions, 'groups.permissions')) checkPermission(one, 'groups.permissions')
}

function checkKey(value: unknown): void {
  if (value === undefined || value === null) return
  const { name, status, expiresAt, profile, permissions } = fieldsOf(value, 'key', KEY)
  checkText(name, 'key.name')
  checkOneOf(status, 'key.status', STATUS)
  checkMoment(expiresAt, 'key.expiresAt')
  checkOneOf(profile, 'key.profile', ['read-only', 'write', 'admin', null, undefined])
  const hasProfile = profile !== undefined && profile !== null
  const hasActions = permissions !== undefined && permissions !== null
  if (hasProfile === hasActions) throw invalid('key', 'has either a profile or permissions')
  for (const one of listOf(permissions ?? [], 'key.permissions')) {
    checkPermission(one, 'key.permissions')
    if ((one as { action: string }).action.endsWith('*')) {
      throw invalid('key.permissions', 'names each action: a key does not grow with the catalogue')
    }
  }
}

/** Hot: a snapshot has few of everything else and many of these. */
function checkPermission(value: unknown, place: string): void {
  const { action, effect } = fieldsOf(value, place, PERMISSION)
  if (typeof action !== 'string' || action === '') throw invalid(`${place}.action`, 'is not a text')
  if (effect !== undefined && effect !== 'allow' && effect !== 'deny') {
    throw invalid(`${place}.effect`, 'is neither allow nor deny')
  }
}
