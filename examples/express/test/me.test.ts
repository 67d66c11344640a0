// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { beforeAll, expect, it } from 'vitest'
import { group, groupId, person, refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
})

const me = async (token: string) => (await world.send('GET', '/v1/me', { token })).body.data

it('says who a user is, their groups, what they may do, and the limits of the plan', async () => {
  const mine = await me(acme.token)
  expect(mine).toMatchObject({
    id: acme.adminId,
    type: 'user',
    tenant: 'acme',
    name: 'Ana',
    email: 'ana@acme.example',
    groups: [{ id: await groupId(world, 'acme', 'ADM_CLIENTE'), name: 'ADM_CLIENTE' }],
    limits: { max_users: 25, max_storage_gb: 5, max_api_calls: 100_000 },
    features: ['api'],
  })
  const actions = mine.permissions.map(({ action }: { action: string }) => action)
  expect(actions).toContain('identity.users.create')
  expect(
    actions.filter((action: string) => action.startsWith('platform.')),
    'not entitled',
  ).toEqual([])
})

it('shows no feature that was switched off', async () => {
  const change = (flags: object) =>
    world.send('PUT', '/v1/tenants/acme/limits', { token: world.operator, body: { flags } })
  expect((await change({ api: false, beta: true })).status).toBe(200)
  await expect.poll(async () => (await me(acme.token)).features).toEqual(['beta'])
  expect((await change({ api: true, beta: false })).status).toBe(200)
  await expect.poll(async () => (await me(acme.token)).features).toEqual(['api'])
})

it('tells a grant that depends on the record, and no suspended group', async () => {
  const bo = await person(world, acme, 'bo')
  await group(
    world,
    acme.token,
    'Some',
    ['account.me.read', { action: 'account.settings.read', constraints: { own: true } }],
    [bo],
  )
  const asleep = await group(world, acme.token, 'Asleep', ['identity.users.read'], [bo])
  await world.send('PATCH', `/v1/groups/${asleep}/status`, {
    token: acme.token,
    body: { status: 'suspended' },
  })
  const mine = await me(bo.token)
  expect(mine.permissions).toEqual([
    { action: 'account.me.read', constrained: false },
    { action: 'account.settings.read', constrained: true },
  ])
  expect(mine.groups.map(({ name }: { name: string }) => name)).toEqual(['Some'])
})

it('needs its own action', async () => {
  const cy = await person(world, acme, 'cy')
  expect(refusal(await world.send('GET', '/v1/me', { token: cy.token }))).toEqual([403, 'FORBIDDEN_ACTION'])
})

it('says which service an API key is, and that it has no logins', async () => {
  const made = await world.send('POST', '/v1/api-keys', {
    token: acme.token,
    body: { name: 'Robot', actions: ['account.me.read'] },
  })
  const { key: token, apiKey } = made.body.data
  expect(await me(token)).toMatchObject({
    id: apiKey.id,
    type: 'service',
    tenant: 'acme',
    name: 'Robot',
    email: null,
    groups: [],
    permissions: [{ action: 'account.me.read', constrained: false }],
  })
  expect(refusal(await world.send('POST', '/v1/me/logout', { token }))).toEqual([403, 'FORBIDDEN_ACTION'])
})
