import { randomBytes, randomUUID } from 'node:crypto'
import type { TenantQueryable } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import pg from 'pg'
import { expect, it } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import {
  IDEMPOTENCY_LEAN_MIGRATION,
  IDEMPOTENCY_MIGRATION,
  idempotency,
} from '../../src/idempotency/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, type Installed, useLevel } from '../support/levels.ts'

const install = async (admin: pg.Pool, options: Installed) => {
  await installAudit(admin, options)
  await installUsage(admin, options)
}
const world = useLevel('role', install, [IDEMPOTENCY_MIGRATION, IDEMPOTENCY_LEAN_MIGRATION])

it('what is written beside costs no savepoint and no round trip, and is parsed once', async () => {
  const texts: string[] = []
  const proxy = await startWireProxy({
    target: world.setting.directUrl,
    onMessage: ({ from, text }) => void (from === 'frontend' && text !== undefined && texts.push(text)),
  })
  const pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
  const scopes = world.setting.tenancy('role', { pool, adminPool: world.setting.world.admin })
  const audit = auditLog({ keys: { k1: randomBytes(32) } })
  const used = usage({ key: randomBytes(32) })
  const actor = { type: 'user', id: 'u1' } as const
  const note = (db: TenantQueryable) => db.query('insert into notes (body) values ($1)', [randomUUID()])
  const once = () =>
    idempotency({ scopes, sealing: world.setting.sealing }).once(
      {
        ...{ tenant: acme, principal: 'u', handler: 'h', key: randomUUID() },
        fingerprint: { method: 'POST', url: '/', body: '' },
      },
      async (db) => {
        await note(db)
        await audit.record(db, { actor, action: 'notes.note.create' })
        await used.meter(db, { requestId: randomUUID(), action: 'notes.note.create' })
        return 'x'
      },
    )
  // The first asks whether the connection is direct; the second prepares what stands in front.
  for (let time = 0; time < 2; time += 1) await once()
  for (let time = 0; time < 3; time += 1) {
    texts.length = 0
    proxy.reset()
    await once()
    expect(texts.filter((text) => /savepoint/i.test(text))).toEqual([])
    expect(
      texts.filter((text) => /governance|idempotency/i.test(text)),
      'prepared before',
    ).toEqual([])
    expect(proxy.roundTrips()).toBe(2)
  }
  await pool.end()
  await proxy.close()
})
