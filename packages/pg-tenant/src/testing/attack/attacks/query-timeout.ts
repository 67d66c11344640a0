import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

/** Milliseconds, enough for an INSERT on a slow machine. ROLLBACK times out behind the sleeping query and is never sent. */
const QUERY_TIMEOUT_MS = 1000
const SLEEP_S = 2.4

export const queryTimeout = attack(
  { id: 'h', title: "pg's query_timeout leaves the backend running", promise: EVERY },
  async ({ subject, a, b, lab }) => {
    const failed = await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`insert into notes (body) values ('reported as failed')`)
        await db.query(`select pg_sleep(${SLEEP_S})`)
      }),
    )
    for (let scope = 0; scope < 3; scope++) await settle(subject.withTenant(b, (db) => db.query('select 1')))
    const kept = (await lab.bodies(a)).includes('reported as failed')
    if (!failed.ok && kept) return open('a row reported as failed was committed by the next scope')
    return stopped(
      failed.ok ? 'no time-out happened' : `the scope failed with ${nameOf(failed.error)}, nothing was kept`,
    )
  },
  { config: { query_timeout: QUERY_TIMEOUT_MS } },
)
