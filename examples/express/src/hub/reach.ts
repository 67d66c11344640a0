import { type Actor, TenancyError, type TenantQueryable } from '@org/core'
import { createEvaluator, type Evaluator, type Profile } from '@org/rbac'
import { catalog as own } from '../catalog.ts'
import type { Governance } from './governance.ts'

/** What a key may do: a profile, or actions. */
export interface KeyRights {
  readonly profile?: Profile | null | undefined
  readonly actions?: readonly string[] | null | undefined
}

/**
 * How far somebody's gifts may reach. Who may change groups, users or keys could otherwise give themselves everything,
 * so nobody gives others (or a group, or a key) more than they have themselves, on all records. One exception: who has
 * every action of `identity` administers the tenant and decides who may do what, tools that came later included.
 * Whoever it is, nothing is given that the tenant is not entitled to.
 *
 * Decided when the change is made. A key that was made stays when its maker leaves: it is the tenant's, listed, and
 * revoked like any other.
 */
export interface Reach {
  /** @throws TenancyError VALIDATION_ERROR for what the catalogue does not have, FORBIDDEN_ACTION */
  requireEntitled(actions: readonly string[]): void
  /** What the tenant is not entitled to permits nothing, and is no matter. @throws TenancyError FORBIDDEN_ACTION */
  requireWithin(patterns: readonly string[]): void
  /** Administrators as well: a key never exceeds its maker. @throws TenancyError FORBIDDEN_ACTION */
  requireKeyWithin(rights: KeyRights): void
}

const ADMINISTRATION = Object.keys(own.actions).filter((action) => action.startsWith('identity.'))
const EVERYTHING: KeyRights = { profile: 'admin' }

/** Reads past every cache. Not inside a transaction: it takes connections of its own. */
export async function reachOf(
  governance: Governance,
  tenancy: TenantQueryable,
  actor: Actor,
): Promise<Reach> {
  const { store, catalog } = await governance.current()
  const snapshot = await store.loadSnapshot(tenancy, actor)
  const mine = createEvaluator(catalog, snapshot)
  const ofKey = ({ profile, actions }: KeyRights): Evaluator => {
    const permissions = actions?.map((action) => ({ action })) ?? null
    const key = { name: 'key', status: 'active', profile, permissions } as const
    return createEvaluator(catalog, {
      ...snapshot,
      actor: { type: 'service', id: 'key', status: 'active' },
      groups: [],
      key,
    })
  }
  const entitled = ofKey(EVERYTHING)
  const administers = ADMINISTRATION.every((action) => mine.can(action))
  const actionsOf = (pattern: string) =>
    pattern.endsWith('.*')
      ? catalog.index.keys.filter((key) => key.startsWith(pattern.slice(0, -1)))
      : catalog.index.keys.filter((key) => key === pattern)
  const requireMine = (actions: readonly string[]) => {
    const beyond = actions.find((action) => entitled.can(action) && !mine.can(action))
    if (beyond !== undefined) throw forbidden(beyond, 'beyond_own', 'Nobody gives more than they have.')
  }
  return {
    requireEntitled(patterns) {
      for (const pattern of patterns) {
        const actions = actionsOf(pattern)
        if (actions.length === 0) throw unknownAction()
        if (actions.some((action) => entitled.can(action))) continue
        throw forbidden(pattern, 'not_entitled', 'The tenant has no package with this action.')
      }
    },
    requireWithin(patterns) {
      if (!administers) requireMine(patterns.flatMap(actionsOf))
    },
    requireKeyWithin(rights) {
      requireMine(
        ofKey(rights)
          .list()
          .map(({ action }) => action),
      )
    },
  }
}

function forbidden(action: string, reason: string, message: string): TenancyError {
  return new TenancyError('FORBIDDEN_ACTION', message, { details: { action, reason } })
}

function unknownAction(): TenancyError {
  return new TenancyError('VALIDATION_ERROR', 'The catalogue has no such action.', {
    details: { field: 'body.action', reason: 'unknown_action' },
  })
}
