import type { Pool } from 'pg'
import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

/** Collects the payloads that arrive on any connection of the pool. */
function payloadsOn(pool: Pool): string[] {
  const payloads: string[] = []
  pool.on('acquire', (client) => {
    if (client.listenerCount('notification') === 0)
      client.on('notification', ({ payload }) => void payloads.push(payload ?? ''))
  })
  return payloads
}

const listen = attack(
  { id: 'm', title: "LISTEN receives another tenant's payload", promise: EVERY },
  async ({ subject, a, b, pool }) => {
    const payloads = payloadsOn(pool)
    const listening = await settle(subject.withTenant(a, (db) => db.query('listen kit_channel')))
    const notified = await settle(
      subject.withTenant(b, (db) => db.query(`notify kit_channel, 'secret of b'`)),
    )
    await settle(subject.withTenant(a, (db) => db.query('select 1')))
    if (payloads.includes('secret of b'))
      return open("the payload of one tenant arrived on the other's listener")
    if (listening.ok) return open('LISTEN stays on the shared connection')
    return stopped(
      `LISTEN is refused (${nameOf(listening.error)})${notified.ok ? '' : ', a payload as well'}`,
    )
  },
)

const payload = attack(
  { id: 'm.pg_notify', title: 'payload sent by the function pg_notify()', promise: [] },
  async ({ subject, a }) => {
    const sent = await settle(
      subject.withTenant(a, (db) => db.query(`select pg_notify('kit_channel', 'secret of a')`)),
    )
    if (!sent.ok) return stopped(`refused (${nameOf(sent.error)})`)
    return open('a function call cannot be told from others: whoever listens on the database hears it')
  },
)

export const notifications = [listen, payload]
