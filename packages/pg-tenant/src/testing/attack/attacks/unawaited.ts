import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY, ROOM } from './scene.ts'

export const unawaited = attack(
  { id: 'd', title: 'un-awaited query runs after its scope', promise: EVERY },
  async ({ subject, a, b, lab }) => {
    const body = `stray of ${a}`
    let stray: Promise<unknown> = Promise.resolve()
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        const chain = async () => {
          await db.query('select pg_sleep(0.02)')
          await db.query('insert into notes (body) values ($1)', [body])
        }
        stray = settle(chain())
      }),
    )
    await subject.withTenant(b, async (db) => {
      await db.query('select 1')
      await stray
    })
    if ((await lab.bodies(b)).includes(body)) return open("the stray insert is in the next tenant's table")
    if ((await lab.sharedBodies()).includes(body)) return open('the stray insert ran without a tenant')
    if (outcome.ok && lab.through === 'pool')
      return stopped('what ran behind the transaction ran as its own tenant')
    if (outcome.ok) return open('the scope reported success before its queries had run')
    return stopped(`the scope failed with ${nameOf(outcome.error)}, nothing ran outside it`)
  },
  ROOM,
)
