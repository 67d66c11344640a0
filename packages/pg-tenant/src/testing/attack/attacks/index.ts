import type { Attack } from '../types.ts'
import { barePool } from './bare-pool.ts'
import { catalogue } from './catalogue.ts'
import { context } from './context.ts'
import { disarmedCheck } from './disarmed-check.ts'
import { durability } from './durability.ts'
import { environment } from './environment.ts'
import { failedOpening } from './failed-opening.ts'
import { fallthrough } from './fallthrough.ts'
import { commandsInScope } from './forbidden-commands.ts'
import { gatePortal } from './gate-portal.ts'
import { idleError } from './idle-error.ts'
import { keptHandle } from './kept-handle.ts'
import { keyCollision } from './key-collision.ts'
import { lateCancel } from './late-cancel.ts'
import { leftovers } from './leftovers.ts'
import { lostCommit } from './lost-commit.ts'
import { nested } from './nested.ts'
import { notifications } from './notifications.ts'
import { pooler } from './pooler.ts'
import { prepared } from './prepared.ts'
import { queryTimeout } from './query-timeout.ts'
import { roleEscape } from './role-escape.ts'
import { rollbackFails } from './rollback-fails.ts'
import { rowSecurity } from './row-security.ts'
import { sharedObjects } from './shared-objects.ts'
import { swallowedError } from './swallowed-error.ts'
import { transactionText } from './transaction-text.ts'
import { unawaited } from './unawaited.ts'
import { unscopedSql } from './unscoped-sql.ts'

/** Every attack, in the order of the hazards' letters, then what only row security can get wrong; drizzle's query cache (u) is the drizzle tests' own. */
export const ATTACKS: readonly Attack[] = [
  swallowedError,
  ...fallthrough,
  keyCollision,
  unawaited,
  ...keptHandle,
  ...commandsInScope,
  gatePortal,
  ...rollbackFails,
  queryTimeout,
  lateCancel,
  ...nested,
  ...prepared,
  ...leftovers,
  ...sharedObjects,
  ...notifications,
  ...catalogue,
  ...roleEscape,
  disarmedCheck,
  pooler,
  ...barePool,
  lostCommit,
  idleError,
  ...context,
  transactionText,
  durability,
  failedOpening,
  ...unscopedSql,
  ...rowSecurity,
  ...environment,
]
