// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { beforeAll, expect, it } from 'vitest'
import { person, refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded
beforeAll(async () => {
  acme = await world.onboard('acme')
  await world.onboard('other')
})
const PATH = '/v1/integration-credentials'
const send = (method: string, path = '', body?: unknown, headers = {}) =>
  world.send(method, PATH + path, { token: acme.token, body, headers })
const KEY = 'sk_live_never_shown'

it('stores, lists, rotates and revokes credentials; nothing answers or records what they hold', async () => {
  const made = await send('POST', '', {
    provider: 'stripe',
    data: { key: KEY },
    expiresAt: '2030-01-01T00:00:00Z',
  })
  expect(made).toMatchObject({
    status: 201,
    body: {
      data: { provider: 'stripe', name: 'default', expiresAt: '2030-01-01T00:00:00.000000Z', expired: false },
    },
  })
  expect(refusal(await send('POST', '', { provider: 'stripe', data: {} }))).toEqual([
    409,
    'DUPLICATE_RESOURCE',
  ])
  await send('POST', '', { provider: 'google.calendar', name: 'two', data: { token: KEY } })
  const first = await send('GET', '?limit=1&sort=provider:asc')
  const second = await send('GET', `?limit=1&sort=provider:asc&cursor=${first.body.meta.nextCursor}`)
  expect([first, second].map(({ body }) => body.data[0].provider)).toEqual(['google.calendar', 'stripe'])
  expect((await send('GET', '?expiresBefore=2031-01-01T00:00:00Z')).body.data).toEqual([made.body.data])

  const { updatedAt } = made.body.data
  const rotated = await send('POST', '/stripe/default/rotate', {
    data: { key: `${KEY}2` },
    ifUpdatedAt: updatedAt,
  })
  expect(rotated).toMatchObject({ status: 200, body: { data: { provider: 'stripe', expiresAt: null } } })
  const stale = await send('POST', '/stripe/default/rotate', {
    data: { key: 'lost' },
    ifUpdatedAt: updatedAt,
  })
  expect(refusal(stale), 'an edit of somebody else is not overwritten').toEqual([409, 'CONFLICT'])
  const again = await send('POST', '/google.calendar/two/rotate', { data: { token: `${KEY}3` } })
  expect(again.status, again.text).toBe(200)
  const opened = () => world.hub.inTenant('acme' as never, (db) => world.hub.credentials.get(db, 'stripe'))
  expect((await opened())?.data).toEqual({ key: `${KEY}2` })
  expect((await send('DELETE', '/stripe/default')).status).toBe(204)
  expect(await opened()).toBeUndefined()
  for (const gone of [
    await send('DELETE', '/stripe/default'),
    await send('POST', '/stripe/default/rotate', { data: {} }),
  ])
    expect(refusal(gone)).toEqual([404, 'NOT_FOUND'])

  const { rows: entries } = await world.root.query<{ action: string; entity_id: string }>(
    `select action, entity_id from governance.audit_log where tenant = 'acme' and entity_type = 'integration_credential'
      order by created_at`,
  )
  expect(entries.map(({ action, entity_id }) => `${action} ${entity_id}`)).toEqual([
    'account.credentials.create stripe/default',
    'account.credentials.create google.calendar/two',
    'account.credentials.update stripe/default',
    'account.credentials.update google.calendar/two',
    'account.credentials.update stripe/default',
  ])
  const { rows: all } = await world.root.query<{ text: string }>(
    `select t::text as text from governance.audit_log t union all select t::text from c_acme.integration_credential t`,
  )
  const told = [made, first, second, rotated].map(({ text }) => text)
  for (const text of [...told, ...all.map((row) => row.text), ...world.log]) expect(text).not.toContain(KEY)
})

it('a repeated request stores once, and is answered the same', async () => {
  const once = () =>
    send('POST', '', { provider: 'slack', data: { key: KEY } }, { 'Idempotency-Key': 'slack-1' })
  const [one, two] = [await once(), await once()]
  expect([one.status, two.status]).toEqual([201, 201])
  expect(two.body).toEqual(one.body)
})

it.each([
  ['provider', { provider: 'Stripe!', data: {} }],
  ['name', { provider: 'a', name: '', data: {} }],
  ['data', { provider: 'a', data: [] }],
  ['data', { provider: 'a' }],
  ['data', { provider: 'a', data: { key: 'x'.repeat(32_768) } }],
  ['expiresAt', { provider: 'a', data: {}, expiresAt: 'soon' }],
  ['tenantId', { provider: 'a', data: {}, tenantId: 'other' }],
])('refuses a %s that is none, by its name', async (field, body) => {
  const answer = await send('POST', '', body)
  expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
  expect(String(answer.body.error.details.field)).toContain(field)
})

it('neither another tenant nor somebody without the right sees or changes them', async () => {
  await send('POST', '', { provider: 'github', data: { key: KEY } })
  const other = await world.onboard('third')
  const theirs = await world.send('GET', PATH, { token: other.token })
  expect(theirs.body.data).toEqual([])
  const theirDelete = await world.send('DELETE', `${PATH}/github/default`, { token: other.token })
  expect(refusal(theirDelete)).toEqual([404, 'NOT_FOUND'])
  const { token } = await person(world, acme, 'bo')
  for (const [method, path, body] of [
    ['GET', PATH],
    ['POST', PATH, { provider: 'x', data: {} }],
    ['POST', `${PATH}/github/default/rotate`, { data: {} }],
    ['DELETE', `${PATH}/github/default`],
  ] as const)
    expect((await world.send(method, path, { token, body })).status).toBe(403)
})
