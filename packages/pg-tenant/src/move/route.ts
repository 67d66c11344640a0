import { TenancyError, type TenantKey } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'

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
