import { isTenancyError, TenancyError, type TenantKey } from '@org/core'
import { driverError, withDriverError } from '../errors/server-error.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { MoveState } from './ledger.ts'

/** One of the two clusters of a move. */
export interface Side {
  readonly name: string
  readonly lifecycle: Lifecycle
}

/** From where to where. */
export interface Route {
  readonly tenant: TenantKey
  readonly from: Side
  readonly to: Side
}

/** Whether tables that all share (level `row`) become the tenant's own, or the other way round: each has migrations of its own then. */
export function changesTables({ from, to }: Pick<Route, 'from' | 'to'>): boolean {
  return traitsOf(from.lifecycle.level).shared !== traitsOf(to.lifecycle.level).shared
}

/** Which of them said it: a disk that is full there is not one that is full here. */
export function saidBy({ name }: Pick<Side, 'name'>, error: unknown): unknown {
  if (!isTenancyError(error)) return error
  const { code, details, message, cause } = error
  const named = new TenancyError(code, `${name}: ${message}`, {
    details: { ...details, placement: name },
    cause,
  })
  const original = driverError(error)
  return original === undefined ? named : withDriverError(named, original)
}

/** @param reason a word for `details.reason` */
export function refused(
  { tenant, to }: Pick<Route, 'tenant' | 'to'>,
  reason: string,
  message: string,
): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { tenant, reason, placement: to.name } })
}

export function taken(route: Pick<Route, 'tenant' | 'to'>): TenancyError {
  return refused(
    route,
    'key_taken',
    'The cluster it is to go to has a tenant of that key. Drop it there, or choose another cluster. Nothing was changed.',
  )
}

export function underWay(tenant: TenantKey, { to }: Pick<MoveState, 'to'>): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A move of this tenant to another cluster was cut off. Finish it with the same call, or undo it, first.',
    { details: { tenant, reason: 'under_way', placement: to } },
  )
}
