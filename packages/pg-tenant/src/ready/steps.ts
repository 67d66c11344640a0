import type { ReadySteps } from '../lifecycle/levels/level.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { invalid } from '../scope/options.ts'

/** @throws TenancyError INVALID_OPTION at a level where tenants are not made ahead */
export function readySteps({ ofLevel }: Lifecycle): ReadySteps {
  if (ofLevel.ready) return ofLevel.ready
  throw invalid(
    'isolation',
    '"schema", "role" or "login": a row needs nothing made ahead, and a database is not renamed',
  )
}
