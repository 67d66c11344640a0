import { type CedarValueJson, isAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import type { Permission, Snapshot } from '../../src/index.ts'
import { ACTIONS, type Definition, type Resource } from './arbitrary.ts'
import { isUnreadable, matches, testsOf } from './reference.ts'

/** Cedar has no test for a type: a field is one of three attributes, named after the type of its value. */
const TYPE = { string: 's', number: 'n', boolean: 'b' } as const

/** Asks Cedar, about the policies that a definition and a snapshot come to. */
export function cedarCan(
  policies: string,
  actorId: string,
  action: string,
  resource: Resource | undefined,
  at: number,
): boolean {
  const answer = isAuthorized({
    principal: { type: 'Actor', id: actorId },
    action: { type: 'Action', id: action },
    resource: { type: 'Record', id: 'r' },
    context: { now: at },
    policies: { staticPolicies: policies },
    entities: [{ uid: { type: 'Record', id: 'r' }, attrs: attributes(resource ?? {}), parents: [] }],
  })
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors))
  if (answer.response.diagnostics.errors.length > 0)
    throw new Error(JSON.stringify(answer.response.diagnostics))
  return answer.response.decision === 'allow'
}

function attributes(resource: Resource): Record<string, CedarValueJson> {
  const attrs: Record<string, CedarValueJson> = {}
  for (const [field, value] of Object.entries(resource)) {
    const type = TYPE[typeof value as 'string']
    if (type) attrs[`${type}_${field}`] = value as string
  }
  return attrs
}

/** One policy for each grant and deny, and one forbid for all that is not entitled. */
export function cedarPolicies(definition: Definition, snapshot: Snapshot): string {
  const { tenant, actor, key, groups } = snapshot
  const policies = [entitlement(definition, snapshot)]
  if (tenant.status !== 'active' || actor.status !== 'active')
    policies.push(policy('forbid', ACTIONS, 'true'))
  for (const group of groups ?? []) {
    if (group.status === 'active') policies.push(...group.permissions.map((one) => grant(one, actor.id)))
  }
  if (key?.status === 'active') {
    if (key.expiresAt) policies.push(policy('forbid', ACTIONS, `context.now >= ${Date.parse(key.expiresAt)}`))
    const kinds = key.profile
      ? ['read', 'write', 'admin'].slice(0, { 'read-only': 1, write: 2, admin: 3 }[key.profile])
      : []
    const byProfile = ACTIONS.filter((action) => kinds.includes(definition.actions[action]?.kind ?? ''))
    policies.push(policy('permit', byProfile, 'true'))
    policies.push(...(key.permissions ?? []).map((one) => grant(one, actor.id)))
  }
  return policies.join('\n')
}

function policy(effect: 'permit' | 'forbid', actions: readonly string[], condition: string): string {
  const list = actions.map((action) => `Action::"${action}"`).join(', ')
  return `${effect}(principal, action in [${list}], resource) when { ${condition} };`
}

const matching = (patterns: readonly string[]) =>
  ACTIONS.filter((action) => patterns.some((pattern) => matches(pattern, action)))

function entitlement(definition: Definition, { packages, overrides = [] }: Snapshot): string {
  const targets = (effect: string) =>
    matching(overrides.filter((one) => one.effect === effect).map(({ target }) => target))
  const live = packages.flatMap((one) => {
    const actions = matching(one.actions ?? definition.packages[one.key]?.actions ?? [])
    if (one.status !== 'active') return []
    const from = one.assignedAt ? ` && context.now >= ${Date.parse(one.assignedAt)}` : ''
    const until = one.expiresAt ? ` && context.now < ${Date.parse(one.expiresAt)}` : ''
    return [`(${isIn(actions)}${from}${until})`]
  })
  const any = [isIn(targets('allow')), ...live].join(' || ')
  return `forbid(principal, action, resource) when { ${isIn(targets('deny'))} || !(${any}) };`
}

const isIn = (actions: readonly string[]) =>
  `[${actions.map((action) => `Action::"${action}"`).join(', ')}].contains(action)`

/** A permit when every test is true; a forbid unless some test is false. */
function grant({ action, effect, constraints }: Permission, actorId: string): string {
  const actions = matching([action])
  if (constraints === undefined) return policy(effect === 'deny' ? 'forbid' : 'permit', actions, 'true')
  if (isUnreadable(constraints))
    return policy(effect === 'deny' ? 'forbid' : 'permit', actions, String(effect === 'deny'))
  const tests = Object.entries(constraints as Record<string, unknown>).flatMap(([field, wanted]) =>
    field === 'own'
      ? [testOf('ownerId', 'eq', actorId)]
      : testsOf(wanted).map(([operator, operand]) => testOf(field, operator, operand)),
  )
  return effect === 'deny'
    ? policy('forbid', actions, `!(${tests.map(({ has, holds }) => `(${has} && !(${holds}))`).join(' || ')})`)
    : policy('permit', actions, tests.map(({ has, holds }) => `(${has} && ${holds})`).join(' && '))
}

function testOf(field: string, operator: string, operand: unknown): { has: string; holds: string } {
  const sample: unknown = Array.isArray(operand) ? operand[0] : operand
  const attribute = `${TYPE[typeof sample as 'string']}_${field}`
  const [has, value] = [`resource has ${attribute}`, `resource.${attribute}`]
  switch (operator) {
    case 'eq':
      return { has, holds: `${value} == ${literal(operand)}` }
    case 'in':
      return { has, holds: `[${(operand as unknown[]).map(literal).join(', ')}].contains(${value})` }
    case 'prefix':
      return { has, holds: `${value} like "${escaped(String(operand)).replaceAll('*', '\\*')}*"` }
    default:
      return { has, holds: `${value} ${{ lt: '<', lte: '<=', gt: '>', gte: '>=' }[operator]} ${operand}` }
  }
}

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
const literal = (value: unknown) => (typeof value === 'string' ? `"${escaped(value)}"` : String(value))
