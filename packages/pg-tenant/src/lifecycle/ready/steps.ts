import { invalid } from '../../errors/invalid.ts'
import type { ReadySteps } from '../levels/level.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** @throws TenancyError INVALID_OPTION where tenants are not made ahead */
export function readySteps({ distributedSchemas, ofLevel }: Lifecycle): ReadySteps {
  if (distributedSchemas)
    throw invalid(
      'distributedSchemas',
      'left out for tenants made ahead: giving one its key changes the tenant and the registry in one statement, and ' +
        'one of them is distributed',
    )
  if (ofLevel.ready) return ofLevel.ready
  throw invalid(
    'isolation',
    '"schema", "role" or "login": a row needs nothing made ahead, and a database is not renamed',
  )
}
