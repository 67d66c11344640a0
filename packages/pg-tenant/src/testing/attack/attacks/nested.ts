import { nameOf, open, settle, settleWithin, stopped } from '../finding.ts'
import { attack, EVERY, type Scene } from './scene.ts'

const PATIENCE_MS = 3_000
const CONNECTION_TIMEOUT_MS = 200
/** For what has to wait: the one connection is taken. */
const IMPATIENT = { connectionTimeout: CONNECTION_TIMEOUT_MS }

const same = attack(
  { id: 'j', title: 'nested scope of the same tenant, pool of 1', promise: EVERY },
  async (scene) => {
    const { subject, a } = scene
    const nested = subject.withTenant(a, async (db) => {
      await db.query('select 1')
      return await subject.withTenant(a, (inner) => inner.query('select body from notes'), IMPATIENT)
    })
    const outcome = await settleWithin(PATIENCE_MS, nested)
    if (outcome === 'pending') return open(`deadlock: nothing happened for ${PATIENCE_MS} ms`)
    return outcome.ok
      ? stopped('runs on the same connection')
      : stopped(`fails with ${nameOf(outcome.error)}`)
  },
)

const other = attack(
  { id: 'j.other', title: 'scope of another tenant inside a scope, pool of 1', promise: EVERY },
  async ({ subject, a, b }) => {
    const nested = subject.withTenant(a, async (db) => {
      await db.query('select 1')
      return await settle(subject.withTenant(b, (inner) => inner.query('select 1'), IMPATIENT))
    })
    const outcome = await settleWithin(PATIENCE_MS, nested)
    if (outcome === 'pending') return open(`deadlock: nothing happened for ${PATIENCE_MS} ms`)
    if (outcome.ok && outcome.value.ok) return open('one request ran as two tenants')
    return stopped('refused at once')
  },
)

/** Takes all connections that scopes could have; where tenants have their own, another tenant's scope takes them. */
async function exhaust({ subject, b, pool, lab }: Scene): Promise<() => Promise<unknown>> {
  if (!lab.traits.logsIn) {
    const held = await Promise.all(Array.from({ length: pool.options.max ?? 1 }, () => pool.connect()))
    return async () => {
      for (const client of held) client.release()
    }
  }
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  const { promise: running, resolve: begun, reject } = Promise.withResolvers<void>()
  const scope = settle(
    subject.withTenant(b, async (db) => {
      await db.query('select 1')
      begun()
      await over
    }),
  )
  scope.then((outcome) => outcome.ok || reject(outcome.error))
  await running
  return () => {
    end()
    return scope
  }
}

const exhausted = attack(
  { id: 'j.wait', title: 'waiting for a connection has an end', promise: EVERY },
  async (scene) => {
    const { subject, a } = scene
    const giveBack = await exhaust(scene)
    const outcome = await settleWithin(
      PATIENCE_MS,
      subject.withTenant(a, (db) => db.query('select 1'), IMPATIENT),
    )
    await giveBack()
    if (outcome === 'pending') return open(`still waiting after ${PATIENCE_MS} ms`)
    return outcome.ok ? open('ran on an exhausted pool') : stopped(`gave up with ${nameOf(outcome.error)}`)
  },
)

export const nested = [same, other, exhausted]
