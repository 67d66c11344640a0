import { AsyncResource } from 'node:async_hooks'
import type { Settled } from '../finding.ts'
import { nameOf, open, settle, stopped, tell } from '../finding.ts'
import type { Row } from '../types.ts'
import { attack, EVERY } from './scene.ts'

/** Two scopes at once; tenant b's handle is used by a callback that runs in the async context of tenant a. */
const callback = attack(
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

/** What Prisma's client and every DataLoader do: the look-ups of one tick become one query, in the context of the first. */
const batched = attack(
  { id: 's.batch', title: 'look-ups of two tenants leave in one tick', promise: EVERY },
  async ({ subject, a, b }) => {
    const text = 'select body from notes'
    const read = async (tenant: string): Promise<{ readonly rows: Row[] }> =>
      await (subject.query?.(tenant, text) ?? subject.withTenant(tenant, (db) => db.query(text)))
    const outcomes = await Promise.all([a, b].map((tenant) => settle(read(tenant))))
    const mixedUp = [a, b].filter((tenant, at) => {
      const outcome = outcomes[at]
      return outcome?.ok && outcome.value.rows.some((row) => row.body !== `row of ${tenant}`)
    })
    if (mixedUp.length > 0) return open("one tenant's look-up was answered with another's rows")
    const refused = outcomes.find((outcome) => !outcome.ok)
    return stopped(refused ? tell(refused) : 'each is answered with its own rows')
  },
  { max: 2 },
)

export const context = [callback, batched]
