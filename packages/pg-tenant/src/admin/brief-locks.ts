import { setTimeout as pause } from 'node:timers/promises'
import { SQLSTATE } from '../errors/sqlstate.ts'
import { ADMIN_LIMITS, type Admin } from './transaction.ts'

/** Milliseconds to wait for one lock: for so long whoever comes behind waits as well. */
const BRIEFLY_MS = 50
/** Milliseconds before the second try; doubled up to the longest. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 400

/**
 * Runs statements that lock, exclusively, what others use too: with a table goes its foreign key, and with that a trigger of the
 * shared table it refers to. Who stands in line for such a lock keeps all waiting who come behind, readers too: so it does not
 * stand in line, but lets them pass and tries again, for as long as an administrative statement waits.
 *
 * @throws lock_not_available when it was in use all the time
 */
export async function withBriefLocks(admin: Admin, sql: string): Promise<void> {
  const until = performance.now() + ADMIN_LIMITS.lockTimeout
  await admin.run(`set local lock_timeout = ${BRIEFLY_MS}`)
  for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(LONGEST_PAUSE_MS, ms * 2)) {
    if (await admin.attempt([SQLSTATE.LOCK_NOT_AVAILABLE], sql)) break
    await pause(ms * (0.5 + Math.random()))
    // The last try says why.
    if (performance.now() > until) {
      await admin.run(sql)
      break
    }
  }
  await admin.run(`set local lock_timeout = ${ADMIN_LIMITS.lockTimeout}`)
}
