import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Sealing } from '@org/core'
import { installOutbox, outbox } from '@org/governance/outbox'
import { createWorker } from '@org/governance/outbox/worker'
import { WEBHOOKS_MIGRATION, webhooks } from '@org/governance/webhooks'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const TENANTS = 20

/** Deliveries of one process to a receiver beside it; the same with an endpoint that never answers. */
export async function webhookSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const messages = effort.name === 'full' ? 10_000 : 2_000
  const { adminUrl, applicationUrl, drop } = await bench.database()
  const [pool, admin] = [
    new pg.Pool({ connectionString: applicationUrl, max: 16 }),
    new pg.Pool({ connectionString: adminUrl, max: 4 }),
  ]
  const prefix = bench.prefix('w')
  const tenancy = createTenancy({
    pool,
    adminPool: admin,
    rolePrefix: prefix,
    schemaPrefix: prefix,
    migrations: [WEBHOOKS_MIGRATION],
  })
  await installOutbox(admin, { rolePrefix: prefix, schemaPrefix: prefix })
  const events = outbox()
  const [receiver, silent] = [await listen(true), await listen(false)]
  const hooks = webhooks({
    outbox: events,
    sealing: sealing(),
    timeout: 1_000,
    allow: { http: true, addresses: ['127.0.0.1'], ports: [receiver.port, silent.port] },
  })
  const keys = Array.from({ length: TENANTS }, (_, n) => `t${n}`)
  for (const key of keys) {
    await tenancy.provision(key)
    await tenancy.withTenant(key, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['note.created'] }),
    )
  }
  const worker = createWorker({
    control: admin,
    tenants: tenancy,
    concurrency: 200,
    handlers: hooks.handlers,
  })
  const publish = async (each: number, type = 'note.created', to = keys) => {
    for (const key of to) {
      await tenancy.withTenant(key, (db) =>
        events.publishAll(
          db,
          Array.from({ length: each }, (_, n) => ({ type, payload: { n } })),
        ),
      )
    }
  }
  const rate = async () => {
    const before = receiver.received()
    await publish(messages / TENANTS)
    const begun = performance.now()
    worker.start()
    while (receiver.received() < before + messages) await new Promise((resolve) => setTimeout(resolve, 5))
    const took = performance.now() - begun
    await worker.stop(5_000)
    return (messages / took) * 1_000
  }
  await rate()
  const [alone, beside]: [number[], number[]] = [[], []]
  for (let round = 0; round < Math.min(3, effort.rounds); round += 1) {
    alone.push(await rate())
    const { endpoint } = await tenancy.withTenant('t0', (db) =>
      hooks.endpoints.create(db, { url: silent.url, events: ['note.lost'] }),
    )
    await publish(100, 'note.lost', ['t0'])
    beside.push(await rate())
    await tenancy.withTenant('t0', (db) => hooks.endpoints.remove(db, endpoint.id))
  }
  for (const { server } of [receiver, silent]) server.closeAllConnections()
  await Promise.all([receiver, silent].map(({ server }) => new Promise((resolve) => server.close(resolve))))
  await tenancy.close()
  await Promise.all([pool.end(), admin.end()])
  await drop()
  const thousands = spreadOf(alone.map((perSecond) => perSecond / 1_000))
  return {
    suite: 'webhooks',
    findings: [
      finding(
        'webhook deliveries, one process, a loopback receiver',
        '1,000 a second',
        thousands,
        atLeast(1),
      ),
      finding(
        'the same beside an endpoint that never answers',
        'without',
        spreadOf(beside.map((value, n) => value / (alone[n] ?? Number.NaN))),
        atLeast(0.95),
      ),
    ],
  }
}

async function listen(
  answers: boolean,
): Promise<{ url: string; port: number; server: Server; received(): number }> {
  let n = 0
  const server = createServer((req, res) => {
    req.resume()
    if (!answers) return
    n += 1
    res.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, port, server, received: () => n }
}

/** What `@org/crypto` does, without its keys. */
function sealing(): Sealing {
  const key = randomBytes(32)
  return {
    seal: (text) => {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64')
    },
    open: (sealed) => {
      const all = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, 12)).setAuthTag(all.subarray(-16))
      return Buffer.concat([decipher.update(all.subarray(12, -16)), decipher.final()]).toString()
    },
  }
}
