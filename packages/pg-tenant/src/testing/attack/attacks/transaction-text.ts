import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

/** What a library's own `transaction()` sends when it is given the handle. */
export const transactionText = attack(
  { id: 't', title: 'a library sends BEGIN and COMMIT through the handle', promise: EVERY },
  async ({ subject, a, lab }) => {
    if (lab.through === 'pool') return notApplicable('that is how transactions of a pool end')
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query('begin')
        await db.query(`insert into notes (body) values ('inner')`)
        await db.query('commit')
        throw new Error('undo everything')
      }),
    )
    if ((await lab.bodies(a)).includes('inner')) return open("the inner COMMIT ended the scope's transaction")
    return stopped(outcome.ok ? 'nothing was kept' : `refused (${nameOf(outcome.error)})`)
  },
)
