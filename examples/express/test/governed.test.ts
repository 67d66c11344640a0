// @module-tag slow: records.test.ts repeats a request and reads the log.
import { expect, it } from 'vitest'
import { useWorld } from './support/world.ts'

const world = useWorld()

it('answers a request that comes twice once, in a tenant and among operators', async () => {
  const { token } = await world.onboard('acme')
  const headers = { 'Idempotency-Key': 'one' }
  const group = () => world.send('POST', '/v1/groups', { token, headers, body: { name: 'Once' } })
  const [first, again] = [await group(), await group()]
  expect([first.status, again.status]).toEqual([201, 201])
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  const tool = () =>
    world.send('POST', '/v1/catalog/tools', {
      token: world.operator,
      headers,
      body: { key: 'once', name: 'Once' },
    })
  const [made, same] = [await tool(), await tool()]
  expect([made.status, same.status]).toEqual([201, 201])
  expect(same.body).toEqual(made.body)
})

it('records who did what, and notices a row that a superuser changed', async () => {
  const { token } = await world.onboard('globex')
  await world.send('POST', '/v1/groups', { token, body: { name: 'Readers' } })
  const { body } = await world.send('GET', '/v1/audit-logs?action=identity.groups.create', { token })
  expect(body.data).toMatchObject([{ action: 'identity.groups.create', actor: { type: 'user' } }])
  const verify = () => world.send('GET', '/v1/audit-logs/verification', { token })
  expect((await verify()).body.data.ok).toBe(true)
  await world.root.query('update governance.audit_log set action = $1 where id = $2', ['x', body.data[0].id])
  expect((await verify()).body.data).toMatchObject({ ok: false, faults: [{ kind: 'entry_forged' }] })
})
