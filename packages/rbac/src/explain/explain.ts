import type { Compiled } from '../compile/compiled.ts'
import { entitlementSteps } from './entitlement.ts'
import { grantSteps } from './holders.ts'
import type { Sentence } from './sentences.ts'
import { type Step, step } from './step.ts'

/** Why an action is permitted or not. For administrators of the tenant, not for whoever was refused. */
export interface Explanation {
  readonly action: string
  /** The same as `can` says. */
  readonly allowed: boolean
  /** The chain: catalogue, tenant, account, package or override, group or key, constraint. */
  readonly steps: readonly Step[]
  /** When denied: the first link that is missing, the one to mend. */
  readonly missing: Step | undefined
  /** The missing link, or all links, in words. */
  readonly sentence: Sentence
}

interface Question {
  readonly action: string
  readonly resource: object | null | undefined
  readonly at: number
  readonly allowed: boolean
}

export function explain(compiled: Compiled, { action, resource, at, allowed }: Question): Explanation {
  const steps = stepsOf(compiled, action, at, resource)
  const missing = allowed ? undefined : steps.find(({ ok }) => !ok)
  const told = missing ? [missing] : steps
  const text = (locale: keyof Sentence) => told.map(({ sentence }) => sentence[locale]).join(' ')
  return { action, allowed, steps, missing, sentence: { en: text('en'), pt: text('pt'), es: text('es') } }
}

function stepsOf(
  compiled: Compiled,
  action: string,
  at: number,
  resource: object | null | undefined,
): Step[] {
  const { catalog, snapshot } = compiled
  const number = catalog.index.numberOf.get(action)
  if (number === undefined) return [step('catalogue', false, 'ACTION_UNKNOWN', { action })]
  const { tenant, actor } = snapshot
  const [tenantActive, actorActive] = [tenant.status === 'active', actor.status === 'active']
  return [
    step('catalogue', true, 'ACTION_KNOWN', { action }),
    step('tenant', tenantActive, tenantActive ? 'TENANT_ACTIVE' : 'TENANT_NOT_ACTIVE', {
      status: tenant.status,
    }),
    step('actor', actorActive, actorActive ? 'ACTOR_ACTIVE' : 'ACTOR_SUSPENDED'),
    ...entitlementSteps(compiled, number, at),
    ...grantSteps(compiled, number, at, resource),
  ]
}
