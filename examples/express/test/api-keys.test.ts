import { beforeAll, expect, it } from 'vitest'
import { group, person, refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld({ POOL_SIZE: '2' })
let acme: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
})

const make = (body: object, token = acme.token) => world.send('POST', '/v1/api-keys', { token, body })
const made = async (body: object) => {
  const answer = await make(body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body.data as { key: string; apiKey: { id: string; keyId: string } }
}
const get = (token: string, path = '/v1/users', tenant?: string) => world.send('GET', path, { token, tenant })
const setStatus = (id: string, status: string, token = acme.token) =>
  world.send('PATCH', `/v1/api-keys/${id}/status`, { token, body: { status } })
const rotate = (id: string, body: object = {}, token = acme.token) =>
  world.send('POST', `/v1/api-keys/${id}/rotate`, { token, body })

it('makes a key that may do its actions and no other, and shows it once', async () => {
  const { key, apiKey } = await made({ name: 'Reader', actions: ['identity.users.read'] })
  expect((await get(key)).status).toBe(200)
  for (const path of ['/v1/groups', '/v1/api-keys', '/v1/me', '/v1/settings']) {
    expect(refusal(await get(key, path)), path).toEqual([403, 'FORBIDDEN_ACTION'])
  }
  const listed = await get(acme.token, '/v1/api-keys?q=READER')
  expect(listed.body.data).toMatchObject([
    { id: apiKey.id, name: 'Reader', profile: null, actions: ['identity.users.read'], status: 'active' },
  ])
  expect(listed.text).not.toContain(key)
  expect(listed.text).not.toContain('hash')
  expect(world.log.join('')).not.toContain(key)
  const { rows } = await world.root.query('select * from c_acme.api_key')
  expect(JSON.stringify(rows)).not.toContain(key)
  const entered = await world.root.query('select tenant from hub.api_key_directory where key_id = $1', [
    apiKey.keyId,
  ])
  expect(entered.rows).toEqual([{ tenant: 'acme' }])
})

it('is the tenant of its own, whichever one is named', async () => {
  await world.onboard('other')
  const { key } = await made({ name: 'Own', profile: 'read-only' })
  expect((await get(key, '/v1/me', 'acme')).body.data).toMatchObject({ tenant: 'acme', type: 'service' })
  expect(refusal(await get(key, '/v1/me', 'other'))).toEqual([400, 'TENANT_MISMATCH'])
})

it('makes keys at once without running out of connections', async () => {
  const names = Array.from({ length: 6 }, (_, n) => `At once ${n}`)
  const answers = await Promise.all(names.map((name) => make({ name, profile: 'read-only' })))
  expect(answers.map(({ status }) => status)).toEqual(names.map(() => 201))
})

it('does by its profile what the catalogue says', async () => {
  const { key: readOnly } = await made({ name: 'Read-only', profile: 'read-only' })
  const { key: write } = await made({ name: 'Write', profile: 'write' })
  const brand = (token: string) =>
    world.send('PUT', '/v1/branding', {
      token,
      body: { logoUrl: null, primaryColor: '#aabbcc', secondaryColor: null, domain: null },
    })
  expect((await get(readOnly)).status).toBe(200)
  expect((await brand(readOnly)).status).toBe(403)
  expect((await brand(write)).status).toBe(200)
  expect((await make({ name: 'Child', profile: 'read-only' }, write)).status).toBe(403)
})

it('is refused from the next request on once suspended or revoked; revoked is for ever', async () => {
  const { key, apiKey } = await made({ name: 'Going', profile: 'read-only' })
  expect((await get(key)).status).toBe(200)
  expect((await setStatus(apiKey.id, 'suspended')).body.data).toMatchObject({ status: 'suspended' })
  expect(refusal(await get(key))).toEqual([401, 'INVALID_TOKEN'])
  expect((await setStatus(apiKey.id, 'active')).status).toBe(200)
  expect((await get(key)).status).toBe(200)
  expect((await setStatus(apiKey.id, 'revoked')).body.data).toMatchObject({ status: 'revoked' })
  expect(refusal(await get(key))).toEqual([401, 'INVALID_TOKEN'])
  const back = await setStatus(apiKey.id, 'active')
  expect([...refusal(back), back.body.error.details]).toEqual([409, 'CONFLICT', { reason: 'revoked' }])
  expect(refusal(await rotate(apiKey.id))).toEqual([409, 'CONFLICT'])
  const { body } = await get(acme.token, '/v1/api-keys?status=revoked')
  expect(body.data.map(({ id }: { id: string }) => id)).toEqual([apiKey.id])
})

it('rotates with an overlap, or without', async () => {
  const { key, apiKey } = await made({ name: 'Turning', profile: 'read-only' })
  const first = await rotate(apiKey.id, { overlapSeconds: 60 })
  expect(first.status).toBe(200)
  const second = first.body.data.key
  expect([(await get(key)).status, (await get(second)).status]).toEqual([200, 200])
  expect(first.body.data.apiKey).toMatchObject({ id: apiKey.id, keyId: apiKey.keyId })
  const third = (await rotate(apiKey.id, { overlapSeconds: 0 })).body.data.key
  expect([(await get(key)).status, (await get(second)).status, (await get(third)).status]).toEqual([
    401, 401, 200,
  ])
  expect(refusal(await rotate(apiKey.id, { overlapSeconds: -1 }))).toEqual([400, 'VALIDATION_ERROR'])
})

it('is refused once it has expired', async () => {
  const past = await make({ name: 'Past', profile: 'read-only', expiresAt: '2020-01-01T00:00:00Z' })
  expect([...refusal(past), past.body.error.details.field]).toEqual([400, 'VALIDATION_ERROR', 'expiresAt'])
  const { key, apiKey } = await made({
    name: 'Soon',
    profile: 'read-only',
    expiresAt: '2999-01-01T00:00:00Z',
  })
  expect((await get(key)).status).toBe(200)
  await world.root.query(`update c_acme.api_key set expires_at = now() where id = $1`, [apiKey.id])
  expect(refusal(await get(key))).toEqual([401, 'TOKEN_EXPIRED'])
  const again = await rotate(apiKey.id, { expiresAt: null })
  expect(again.body.data.apiKey).toMatchObject({ expiresAt: null })
})

it('refuses what is no key: a name that exists, both rights, none, unknown actions, another tenant', async () => {
  await made({ name: 'Taken', profile: 'read-only' })
  const taken = await make({ name: 'Taken', profile: 'read-only' })
  expect([...refusal(taken), taken.body.error.details]).toEqual([
    409,
    'DUPLICATE_RESOURCE',
    { field: 'name' },
  ])
  for (const body of [
    { name: 'X' },
    { name: 'X', profile: 'root' },
    { name: 'X', profile: 'admin', actions: ['account.me.read'] },
    { name: 'X', actions: [] },
    { name: 'X', actions: ['account.*'] },
    { name: 'X', actions: ['account.me.fly'] },
    { name: 'nul \0', profile: 'read-only' },
  ]) {
    expect(refusal(await make(body)), JSON.stringify(body)).toEqual([400, 'VALIDATION_ERROR'])
  }
  const extra = await make({ name: 'X', profile: 'read-only', tenantId: 'other' })
  expect(extra.body.error.details).toEqual({ field: 'body.tenantId', reason: 'unrecognized_keys' })
  const nobody = '6a1d9a52-32a4-4d13-8d5a-9f6c0f3c1b11'
  for (const status of ['active', 'suspended', 'revoked']) {
    expect(refusal(await setStatus(nobody, status))).toEqual([404, 'NOT_FOUND'])
    expect(refusal(await setStatus('1', status))).toEqual([400, 'VALIDATION_ERROR'])
  }
  expect(refusal(await rotate(nobody))).toEqual([404, 'NOT_FOUND'])
})

it('never exceeds its maker, nor whoever rotates it', async () => {
  const { apiKey: strong } = await made({ name: 'Strong', profile: 'admin' })
  const { apiKey: weak } = await made({ name: 'Weak', actions: ['identity.users.read'] })
  const bo = await person(world, acme, 'bo')
  const actions = ['identity.api_keys.create', 'identity.api_keys.update', 'identity.users.read']
  await group(
    world,
    acme.token,
    'Key makers',
    [...actions, { action: 'account.config.read', constraints: { own: true } }],
    [bo],
  )
  for (const rights of [
    { profile: 'admin' },
    { profile: 'read-only' },
    { actions: ['identity.users.read', 'identity.users.create'] },
    { actions: ['account.config.read'] },
  ]) {
    const answer = await make({ name: 'Beyond', ...rights }, bo.token)
    expect([...refusal(answer), answer.body.error.details.reason], JSON.stringify(rights)).toEqual([
      403,
      'FORBIDDEN_ACTION',
      'beyond_own',
    ])
  }
  expect((await make({ name: 'Within', actions: ['identity.users.read'] }, bo.token)).status).toBe(201)
  expect(refusal(await rotate(strong.id, {}, bo.token))).toEqual([403, 'FORBIDDEN_ACTION'])
  expect((await rotate(weak.id, {}, bo.token)).status).toBe(200)
  expect((await setStatus(strong.id, 'suspended', bo.token)).status, 'less is always possible').toBe(200)
  expect(refusal(await setStatus(strong.id, 'active', bo.token))).toEqual([403, 'FORBIDDEN_ACTION'])
  const answer = await make({ name: 'Not theirs', actions: ['platform.tenants.read'] })
  expect([...refusal(answer), answer.body.error.details.reason]).toEqual([
    403,
    'FORBIDDEN_ACTION',
    'not_entitled',
  ])
})

it('leaves no key behind when the directory does not take it', async () => {
  await world.root.query('alter table hub.api_key_directory rename to away')
  try {
    expect((await make({ name: 'Nowhere', profile: 'read-only' })).status).toBeGreaterThanOrEqual(500)
  } finally {
    await world.root.query('alter table hub.away rename to api_key_directory')
  }
  const { rowCount } = await world.root.query(`select from c_acme.api_key where name = 'Nowhere'`)
  expect(rowCount).toBe(0)
})
