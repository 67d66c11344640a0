import { setTimeout as sleep } from 'node:timers/promises'
import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY, type Scene } from './scene.ts'

const ROUNDS = 60
/** Milliseconds: the aborted query runs about this long, and the signal fires at a random moment of it. */
const QUERY_MS = 8

async function abortedScope({ subject, a }: Scene): Promise<void> {
  const controller = new AbortController()
  const scope = settle(
    subject.withTenant(a, (db) => db.query(`select pg_sleep(${QUERY_MS / 1000})`), {
      signal: controller.signal,
    }),
  )
  await Promise.race([scope, sleep(Math.random() * QUERY_MS * 1.5)])
  controller.abort()
  await scope
}

export const lateCancel = attack(
  { id: 'i', title: "a late cancel hits the next tenant's query", promise: EVERY },
  async (scene) => {
    const hit: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await abortedScope(scene)
      const next = await settle(scene.subject.withTenant(scene.b, (db) => db.query('select pg_sleep(0.006)')))
      if (!next.ok) hit.push(nameOf(next.error))
    }
    if (hit.length > 0) return open(`${hit.length} of ${ROUNDS} innocent scopes were cancelled (${hit[0]})`)
    return stopped(`${ROUNDS} aborts at random moments, no other scope was touched`)
  },
)
