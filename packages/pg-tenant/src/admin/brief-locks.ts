import { setTimeout as pause } from 'node:timers/promises'
import { SQLSTATE, TenancyError } from '@org/core'
import { ADMIN_LIMITS, type Admin } from './transaction.ts'

/** Milliseconds to wait for one lock at first: for so long whoever comes behind waits as well. */
const BRIEFLY_MS = 50
/** By which part of the time that has passed it waits longer: up to nine tenths of a second in ten. */
const LONGER = 1 / 12
/** Milliseconds before the second try; doubled up to the longest. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 400

/**
 * Runs statements that lock, exclusively, what others use too: with a table goes its foreign key, and with that a trigger of the
 * shared table it refers to. Who stands in line for such a lock keeps all waiting who come behind, readers too: so it does not
 * stand in line, but lets them pass and tries again, for as long as an administrative statement waits. Readers that overlap all the
 * time leave no gap: therefore it stands a little longer each time, until those who were there before it have gone.
 *
 * @param schema whose tables go
 * @param patience milliseconds
 * @throws TenancyError TIMEOUT, when it was in use all the time; `details.tables` says what, and in how many sessions
 */
export async function withBriefLocks(
  admin: Admin,
  schema: string,
  sql: string,
  patience: number = ADMIN_LIMITS.lockTimeout,
): Promise<void> {
  const began = performance.now()
  for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(LONGEST_PAUSE_MS, ms * 2)) {
    const elapsed = performance.now() - began
    const briefly = `set local lock_timeout = ${Math.round(BRIEFLY_MS + elapsed * LONGER)}`
    if (await admin.attempt([SQLSTATE.LOCK_NOT_AVAILABLE], `${briefly}; ${sql}`)) break
    if (elapsed > patience) throw inUse(schema, await admin.run(IN_USE, [schema]), patience)
    await pause(ms * (0.5 + Math.random()))
  }
  await admin.run(`set local lock_timeout = ${ADMIN_LIMITS.lockTimeout}`)
}

// $1 schema. Its tables, and those that they refer to, which others hold.
const IN_USE = `select format('%I.%I', n.nspname, c.relname) as name, count(distinct l.pid)::int as sessions
  from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
  where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())
    and (n.nspname = $1 or exists (select from pg_constraint k join pg_class t on t.oid = k.conrelid
      join pg_namespace h on h.oid = t.relnamespace where h.nspname = $1 and k.confrelid = c.oid))
  group by 1 order by 2 desc, 1 limit 5`

function inUse(schema: string, found: Record<string, unknown>[], patience: number): TenancyError {
  const tables = found.map(({ name, sessions }) => `${name} (${sessions})`).join(', ')
  return new TenancyError(
    'TIMEOUT',
    `What is to be dropped was in use for ${patience} ms without a moment in between, or a table that it refers to ` +
      '(details: tables, and by how many sessions). Run it again; or see who that is: SELECT pid, state, xact_start FROM pg_stat_activity ' +
      'JOIN pg_locks USING (pid) WHERE relation = …::regclass.',
    { details: { schema, tables } },
  )
}
