// @module-tag slow: a recipe that others look at by parts.
import { randomBytes } from 'node:crypto'
import { parseTenantKey } from '@org/core'
import { expect, it } from 'vitest'
import { type Hub, openHub } from '../src/hub/open-hub.ts'
import { rotateKeys } from '../src/hub/rotate-keys.ts'
import { createLog } from '../src/log.ts'
import { useWorld } from './support/world.ts'

const world = useWorld({ WEBHOOK_ADDRESSES: '127.0.0.1' })
const acme = parseTenantKey('acme')

it('everything sealed is under the new key before the old one is taken away, while others write', async () => {
  const { token, adminId } = await world.onboard('acme')
  await world.send('PUT', '/v1/settings/smtp.password', { token, body: { value: 'hunter2' } })
  await world.send('POST', '/v1/webhooks', {
    token,
    body: { url: 'https://example.com/', events: ['user.created'] },
  })
  const credential = { provider: 'stripe', data: { key: 'sk_live_7' } }
  await world.hub.tenancy.withTenant(acme, (db) => world.hub.credentials.put(db, credential))

  const old = world.config.SETTINGS_ENCRYPTION_KEY
  const key = randomBytes(32).toString('hex')
  const renewed = await openWith({ SETTINGS_ENCRYPTION_KEY: key, SETTINGS_ENCRYPTION_KEYS_RETIRED: [old] })
  await rotateKeys(renewed, new AbortController().signal)
  await rotateKeys(renewed, new AbortController().signal)
  await renewed.close()

  const after = await openWith({ SETTINGS_ENCRYPTION_KEY: key })
  try {
    await after.tenancy.withTenant(acme, async (db) => {
      expect(await after.settings.get(db, 'smtp.password')).toBe('hunter2')
      expect((await after.credentials.get(db, 'stripe'))?.data).toEqual(credential.data)
      const [endpoint] = (
        await db.query<{ id: string; secret: string }>('select id, secret from webhook_endpoint')
      ).rows
      const place = { tenant: acme, table: 'webhook_endpoint', name: String(endpoint?.id) }
      expect(after.sealing.open(String(endpoint?.secret), place)).toMatch(/^whsec_/)
    })
    const { data } = await after.audit.list(after.control, acme, { actor: adminId, personal: true })
    expect(data[0]?.ip, 'what the audit log keeps of a person').toBe('127.0.0.1')
  } finally {
    await after.close()
  }
})

function openWith(config: Partial<Hub['config']>): Promise<Hub> {
  return openHub({ ...world.config, ...config }, createLog('silent'))
}
