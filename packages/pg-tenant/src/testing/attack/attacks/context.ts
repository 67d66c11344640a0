import { AsyncResource } from 'node:async_hooks'
import type { Settled } from '../finding.ts'
import { nameOf, open, settle, stopped } from '../finding.ts'
import type { Row } from '../types.ts'
import { attack, EVERY } from './scene.ts'

/** Two scopes at once; tenant b's handle is used by a callback that runs in the async context of tenant a. */
export const context = attack(
  { id: 's', title: "a callback runs in another request's async context", promise: EVERY },
  async ({ subject, a, b }) => {
    let contextOfA: AsyncResource | undefined
    let finishA: () => void = () => {}
    const waiting = new Promise<void>((resolve) => {
      finishA = resolve
    })
    let opened: () => void = () => {}
    const open_ = new Promise<void>((resolve) => {
      opened = resolve
    })
    const scopeOfA = subject.withTenant(a, async (db) => {
      await db.query('select 1')
      contextOfA = new AsyncResource('request of a')
      opened()
      await waiting
    })
    await open_
    const seen = await subject.withTenant(b, async (db): Promise<Settled<{ rows: Row[] }>> => {
      await db.query('select 1')
      const mixedUp = () => settle(db.query('select body from notes'))
      return await (contextOfA?.runInAsyncScope(mixedUp) ?? mixedUp())
    })
    finishA()
    await scopeOfA
    if (!seen.ok) return stopped(`refused (${nameOf(seen.error)})`)
    if (seen.value.rows.some((row) => row.body === `row of ${a}`))
      return open("the handle of one tenant read another's rows")
    return stopped('each handle reads its own rows')
  },
  { max: 2 },
)
