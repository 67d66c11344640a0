import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

export const swallowedError = attack(
  { id: 'a', title: 'callback swallows a query error', promise: EVERY },
  async ({ subject, a, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`insert into notes (body) values ('acknowledged')`)
        await db.query('select 1/0').catch(() => undefined)
      }),
    )
    const kept = (await lab.bodies(a)).includes('acknowledged')
    if (outcome.ok && !kept) return open('the scope reported success, the row is gone')
    return stopped(
      outcome.ok ? 'reported success, the row is there' : `the scope failed with ${nameOf(outcome.error)}`,
    )
  },
)
