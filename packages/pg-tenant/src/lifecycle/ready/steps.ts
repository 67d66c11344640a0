import { invalid } from '../../errors/invalid.ts'
import type { ReadySteps } from '../levels/level.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** @throws TenancyError INVALID_OPTION where tenants are not made ahead */
export function readySteps({ ofLevel }: Lifecycle): ReadySteps {
  if (ofLevel.ready) return ofLevel.ready
  throw invalid(
    'isolation',
    '"schema", "role" or "login": a row needs nothing made ahead, and a database is not renamed',
  )
}
