import type { Permission, Snapshot } from '../../src/index.ts'
import type { Definition, Resource } from './arbitrary.ts'
import { UNREADABLE } from './arbitrary.ts'

/** The rules of the README, read as they are written: no tables, no compiling, nothing shared with the library. */
export function referenceCan(
  definition: Definition,
  snapshot: Snapshot,
  action: string,
  resource: Resource | undefined,
  at: number,
): boolean {
  if (!(action in definition.actions)) return false
  if (snapshot.tenant.status !== 'active' || snapshot.actor.status !== 'active') return false
  if (!entitled(definition, snapshot, action, at)) return false
  const { key, groups } = snapshot
  if (key) {
    if (key.status !== 'active' || (key.expiresAt && at >= Date.parse(key.expiresAt))) return false
    const kind = definition.actions[action]?.kind ?? ''
    if (key.profile === 'read-only') return kind === 'read'
    if (key.profile === 'write') return kind === 'read' || kind === 'write'
    if (key.profile === 'admin') return true
    return granted(key.permissions ?? [], action, resource, snapshot.actor.id)
  }
  const permissions: Permission[] = []
  for (const group of groups ?? []) if (group.status === 'active') permissions.push(...group.permissions)
  return granted(permissions, action, resource, snapshot.actor.id)
}

function entitled(
  definition: Definition,
  { packages, overrides }: Snapshot,
  action: string,
  at: number,
): boolean {
  for (const { target, effect } of overrides ?? [])
    if (effect === 'deny' && matches(target, action)) return false
  for (const { target, effect } of overrides ?? [])
    if (effect === 'allow' && matches(target, action)) return true
  for (const one of packages) {
    if (one.status !== 'active') continue
    if (one.assignedAt && at < Date.parse(one.assignedAt)) continue
    if (one.expiresAt && at >= Date.parse(one.expiresAt)) continue
    for (const pattern of one.actions ?? definition.packages[one.key]?.actions ?? []) {
      if (matches(pattern, action)) return true
    }
  }
  return false
}

export const matches = (pattern: string, action: string) =>
  pattern === action || pattern === `${action.split('.')[0]}.*`

function granted(
  permissions: readonly Permission[],
  action: string,
  resource: Resource | undefined,
  id: string,
): boolean {
  let allowed = false
  for (const permission of permissions) {
    if (!matches(permission.action, action)) continue
    const truth = truthOf(permission, resource, id)
    if (permission.effect === 'deny') {
      if (truth !== 'false') return false
    } else if (truth === 'true') allowed = true
  }
  return allowed
}

type Truth = 'true' | 'false' | 'unknown'

export const isUnreadable = (constraints: unknown) => UNREADABLE.some((one) => one === constraints)

function truthOf(permission: Permission, resource: Resource | undefined, id: string): Truth {
  const { constraints } = permission
  if (constraints === undefined) return 'true'
  if (isUnreadable(constraints)) return 'unknown'
  const truths: Truth[] = []
  for (const [field, wanted] of Object.entries(constraints as Record<string, unknown>)) {
    if (field === 'own') truths.push(test(resource?.ownerId, 'eq', id))
    else for (const [name, operand] of testsOf(wanted)) truths.push(test(resource?.[field], name, operand))
  }
  return truths.includes('false') ? 'false' : truths.includes('unknown') ? 'unknown' : 'true'
}

/** Every form of a field's constraint as `[operator, operand]`. */
export function testsOf(wanted: unknown): [string, unknown][] {
  if (Array.isArray(wanted)) return [['in', wanted]]
  if (typeof wanted === 'object' && wanted !== null) return Object.entries(wanted)
  return [['eq', wanted]]
}

function test(value: unknown, operator: string, operand: unknown): Truth {
  const sample: unknown = Array.isArray(operand) ? operand[0] : operand
  if (value === null || typeof value !== typeof sample) return 'unknown'
  const yes = (() => {
    if (operator === 'eq') return value === operand
    if (operator === 'in') return (operand as unknown[]).includes(value)
    if (operator === 'prefix') return String(value).indexOf(String(operand)) === 0
    const [left, right] = [value as number, operand as number]
    return { lt: left < right, lte: left <= right, gt: left > right, gte: left >= right }[operator]
  })()
  return yes ? 'true' : 'false'
}
