import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

export const durability = attack(
  { id: 'v', title: 'caller switches synchronous_commit off', promise: EVERY },
  async ({ subject, a }) => {
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`select set_config('synchronous_commit', 'off', true)`)
        await db.query(`insert into notes (body) values ('volatile')`)
      }),
    )
    if (outcome.ok) return open('a write was acknowledged that a crash would lose')
    return stopped(`the scope failed with ${nameOf(outcome.error)}`)
  },
)
