import { invalidOption } from '@org/core'
import type { ReadySteps } from '../levels/level.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** @throws TenancyError INVALID_OPTION where tenants are not made ahead */
export function readySteps({ ofLevel }: Lifecycle): ReadySteps {
  if (ofLevel.ready) return ofLevel.ready
  throw invalidOption(
    'isolation',
    '"schema", "role" or "login": a row needs nothing made ahead, and a database is not renamed',
  )
}
