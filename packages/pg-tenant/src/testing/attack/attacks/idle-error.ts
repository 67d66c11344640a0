import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

export const idleError = attack(
  { id: 'r', title: 'an idle connection dies', promise: EVERY },
  async ({ subject, a, lab, pool, poolIsWatched }) => {
    await subject.withTenant(a, (db) => db.query('select 1'))
    // Found out by looking: proving it would end this very process.
    if (!poolIsWatched)
      return open("the pool has no 'error' listener: when an idle connection dies, the process exits")
    const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
    const killer = await lab.open()
    // The application may end sessions of its own role.
    await killer.pool.query('select pg_terminate_backend($1::int) where $1::int <> pg_backend_pid()', [
      rows[0]?.pid,
    ])
    await killer.close()
    for (let time = 0; time < 3; time++) {
      const outcome = await settle(subject.withTenant(a, (db) => db.query('select 1')))
      if (outcome.ok) return stopped('the process lives, the next scopes get another connection')
      if (time === 2) return open(`scopes keep failing (${nameOf(outcome.error)})`)
    }
    return stopped('the process lives')
  },
)
