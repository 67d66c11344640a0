import { createPasswords } from '@org/crypto/passwords'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { beforeAll, expect, it } from 'vitest'
import { group, groupId, type Person, person, refusal, USER_PASSWORD } from './support/people.ts'
import { type Onboarded, PASSWORD, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
})

/** Somebody who may at least ask who they are. */
async function viewer(name: string): Promise<Person> {
  const one = await person(world, acme, name)
  const path = `/v1/groups/${await groupId(world, 'acme', 'VIEWER')}/users/${one.id}`
  expect((await world.send('POST', path, { token: acme.token })).status).toBe(204)
  return one
}
const post = (path: string, tenant: string | undefined, body: unknown) =>
  world.send('POST', path, { tenant, body })
const login = (email: string, password: string, tenant = 'acme') =>
  post('/v1/auth/login', tenant, { email, password })
const me = (token: string) => world.send('GET', '/v1/me', { token })
const refresh = (refreshToken: string) => post('/v1/auth/refresh', 'acme', { refreshToken })

it('answers alike whatever is wrong about a user', async () => {
  const suspended = await viewer('sue')
  await world.send('PATCH', `/v1/users/${suspended.id}/status`, {
    token: acme.token,
    body: { status: 'suspended' },
  })
  await world.send('POST', '/v1/users', {
    token: acme.token,
    body: { email: 'new@acme.example', name: 'No password yet' },
  })
  const answers = await Promise.all([
    login('ana@acme.example', 'wrong password here'),
    login('nobody@acme.example', PASSWORD),
    login(suspended.email, USER_PASSWORD),
    login('new@acme.example', PASSWORD),
  ])
  const told = answers.map(({ status, body: { error } }) => {
    const { requestId: _own, ...rest } = error
    return { status, ...rest }
  })
  expect(told[0]).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
  expect(new Set(told.map((one) => JSON.stringify(one))).size).toBe(1)
  expect((await login('ANA@acme.example', PASSWORD)).status).toBe(200)
})

it('says whose tenant is unknown, suspended or not named', async () => {
  await world.onboard('sleepy')
  await world.send('PATCH', '/v1/tenants/sleepy', { token: world.operator, body: { status: 'suspended' } })
  const body = { email: 'ana@acme.example', password: PASSWORD }
  expect(refusal(await post('/v1/auth/login', 'nowhere', body))).toEqual([401, 'TENANT_NOT_FOUND'])
  expect(refusal(await post('/v1/auth/login', 'sleepy', body))).toEqual([403, 'TENANT_SUSPENDED'])
  expect(refusal(await post('/v1/auth/login', undefined, body))).toEqual([401, 'UNAUTHORIZED'])
  expect(refusal(await post('/v1/auth/login', 'A B', body))).toEqual([400, 'INVALID_TENANT_KEY'])
  const named = await post('/v1/auth/login', 'acme', { ...body, tenantId: 'acme' })
  expect([...refusal(named), named.body.error.details]).toEqual([
    400,
    'VALIDATION_ERROR',
    { field: 'body.tenantId', reason: 'unrecognized_keys' },
  ])
})

it('refreshes, and ends the whole login when a token comes back that was replaced', async () => {
  const bo = await viewer('bo')
  const second = (await refresh(bo.refreshToken)).body.data
  expect((await me(second.accessToken)).status).toBe(200)
  const third = (await refresh(second.refreshToken)).body.data
  expect(refusal(await refresh(bo.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await refresh(third.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
  for (const token of [bo.token, second.accessToken, third.accessToken]) {
    expect(refusal(await me(token))).toEqual([401, 'INVALID_TOKEN'])
  }
  const { rows } = await world.root.query(
    'select revoked_reason as reason from c_acme.refresh_token_family where user_id = $1',
    [bo.id],
  )
  expect(rows).toEqual([{ reason: 'reused' }])
})

it('makes the access token invalid when its login ends', async () => {
  const cy = await viewer('cy')
  expect((await me(cy.token)).status).toBe(200)
  expect((await post('/v1/auth/logout', 'acme', { refreshToken: cy.refreshToken })).status).toBe(204)
  expect(refusal(await me(cy.token))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await refresh(cy.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
  expect((await post('/v1/auth/logout', 'acme', { refreshToken: 'no token of ours' })).status).toBe(204)
})

it('logs out everywhere with an access token', async () => {
  const di = await viewer('di')
  const other = (await login(di.email, USER_PASSWORD)).body.data
  expect((await world.send('POST', '/v1/me/logout', { token: di.token })).status).toBe(204)
  expect(refusal(await me(di.token))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await me(other.accessToken))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await refresh(other.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
})

it('ends the logins of a user who is suspended, named in capitals too, and lets no new one begin', async () => {
  const ed = await viewer('ed')
  const change = (status: string) =>
    world.send('PATCH', `/v1/users/${ed.id.toUpperCase()}/status`, { token: acme.token, body: { status } })
  expect((await change('suspended')).body.data).toMatchObject({ id: ed.id, status: 'suspended' })
  expect(refusal(await me(ed.token))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await refresh(ed.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
  expect(await denied(ed)).toBe(1)
  expect((await change('active')).status).toBe(200)
  expect(refusal(await refresh(ed.refreshToken)), 'what was ended stays so').toEqual([401, 'INVALID_TOKEN'])
  expect((await login(ed.email, USER_PASSWORD)).status).toBe(200)
})

it('refuses to refresh for somebody who was suspended or removed past the API', {
  tags: 'slow',
}, async () => {
  for (const change of [`status = 'suspended'`, 'deleted_at = now()']) {
    const name = change.startsWith('status') ? 'flo' : 'gus'
    const one = await viewer(name)
    await world.root.query(`update c_acme."user" set ${change} where id = $1`, [one.id])
    expect(refusal(await refresh(one.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
    expect(await denied(one), 'the first, and the one that was about to be given').toBe(2)
  }
})

it('begins no login behind a suspension that is under way', async () => {
  const hal = await viewer('hal')
  const path = `/v1/users/${hal.id}/invitation`
  const invitation = (await world.send('POST', path, { token: acme.token })).body.data.token
  const suspend = `update c_acme."user" set status = 'suspended' where id = $1`
  const answers = await during(suspend, hal, () => [
    login(hal.email, USER_PASSWORD),
    post('/v1/auth/invitation', 'acme', { token: invitation, password: USER_PASSWORD }),
  ])
  expect(answers.map(refusal)).toEqual([
    [401, 'UNAUTHORIZED'],
    [401, 'INVALID_TOKEN'],
  ])
})

it('begins no login with a password that is being changed', { tags: 'slow' }, async () => {
  const ian = await viewer('ian')
  const change = `update c_acme.user_credential set password_hash = 'another' where user_id = $1`
  const [answer] = await during(change, ian, () => [login(ian.email, USER_PASSWORD)])
  expect(answer && refusal(answer)).toEqual([401, 'UNAUTHORIZED'])
})

it('accepts no invitation that somebody else is accepting', { tags: 'slow' }, async () => {
  const one = await viewer('once')
  const path = `/v1/users/${one.id}/invitation`
  const { token } = (await world.send('POST', path, { token: acme.token })).body.data
  const accept = `update c_acme.user_credential set invitation_hash = null, invitation_expires_at = null
    where user_id = $1`
  const [answer] = await during(accept, one, () => [
    post('/v1/auth/invitation', 'acme', { token, password: USER_PASSWORD }),
  ])
  expect(answer && refusal(answer)).toEqual([401, 'INVALID_TOKEN'])
})

it('ends the logins with the old password when a new one is chosen', async () => {
  const jo = await viewer('jo')
  const path = `/v1/users/${jo.id}/invitation`
  const first = (await world.send('POST', path, { token: acme.token })).body.data
  const second = await world.send('POST', path, { token: acme.token })
  expect(second.status).toBe(201)
  const accept = (token: string) =>
    post('/v1/auth/invitation', 'acme', { token, password: 'a third good password' })
  expect((await me(jo.token)).status, 'an invitation alone ends nothing').toBe(200)
  expect(refusal(await accept(first.token)), 'the invitation before').toEqual([401, 'INVALID_TOKEN'])
  const fresh = await accept(second.body.data.token)
  expect(fresh.status).toBe(200)
  expect(refusal(await me(jo.token))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await refresh(jo.refreshToken))).toEqual([401, 'INVALID_TOKEN'])
  expect((await me(fresh.body.data.accessToken)).status).toBe(200)
  expect(refusal(await login(jo.email, USER_PASSWORD))).toEqual([401, 'UNAUTHORIZED'])
})

it('accepts an invitation of one tenant in no other', async () => {
  await world.onboard('other')
  const { body } = await world.send('POST', '/v1/users', {
    token: acme.token,
    body: { email: 'kim@acme.example', name: 'Kim' },
  })
  const accept = { token: body.data.invitation.token, password: USER_PASSWORD }
  expect(refusal(await post('/v1/auth/invitation', 'other', accept))).toEqual([401, 'INVALID_TOKEN'])
  expect(refusal(await post('/v1/auth/refresh', 'other', { refreshToken: acme.refreshToken }))).toEqual([
    401,
    'INVALID_TOKEN',
  ])
})

it('accepts no invitation of who may do less than the invited by now', { tags: 'slow' }, async () => {
  const helper = await person(world, acme, 'helper')
  const rights = ['identity.users.create', 'identity.users.update', 'identity.users.read']
  await group(world, acme.token, 'Help desk', rights, [helper])
  const invitedBy = async (token: string, name: string) => {
    const body = { email: `${name}@acme.example`, name }
    return (await world.send('POST', '/v1/users', { token, body })).body.data
  }
  const admins = await groupId(world, 'acme', 'ADM_CLIENTE')
  const promote = async (id: string) =>
    expect((await world.send('POST', `/v1/groups/${admins}/users/${id}`, { token: acme.token })).status).toBe(
      204,
    )
  const accept = ({ invitation: { token } }: { invitation: { token: string } }) =>
    post('/v1/auth/invitation', 'acme', { token, password: USER_PASSWORD })

  const [boss, staff, chief] = [
    await invitedBy(helper.token, 'boss'),
    await invitedBy(helper.token, 'staff'),
    await invitedBy(acme.token, 'chief'),
  ]
  await promote(boss.user.id)
  await promote(chief.user.id)
  expect(refusal(await accept(boss)), 'who made it may have kept it').toEqual([401, 'INVALID_TOKEN'])
  expect((await accept(staff)).status).toBe(200)
  expect((await accept(chief)).status).toBe(200)
  const path = `/v1/users/${boss.user.id}/invitation`
  const invitation = (await world.send('POST', path, { token: acme.token })).body.data
  expect((await accept({ invitation })).status, 'made anew by an administrator').toBe(200)
})

it('accepts no invitation that has run out', { tags: 'slow' }, async () => {
  const late = await viewer('late')
  const path = `/v1/users/${late.id}/invitation`
  const { token } = (await world.send('POST', path, { token: acme.token })).body.data
  const runOut = 'update c_acme.user_credential set invitation_expires_at = now() where user_id = $1'
  await world.root.query(runOut, [late.id])
  const body = { token, password: USER_PASSWORD }
  expect(refusal(await post('/v1/auth/invitation', 'acme', body))).toEqual([401, 'INVALID_TOKEN'])
})

it('replaces a hash that is weaker than a new one at the next login', { tags: 'slow' }, async () => {
  const old = await viewer('old')
  const weaker = await createPasswords({ memoryCost: 7_168, timeCost: 5 }).hash(USER_PASSWORD)
  const set = 'update c_acme.user_credential set password_hash = $2 where user_id = $1'
  await world.root.query(set, [old.id, weaker])
  const stored = async () => {
    const read = 'select password_hash as hash from c_acme.user_credential where user_id = $1'
    return (await world.root.query<{ hash: string }>(read, [old.id])).rows[0]?.hash
  }
  expect((await login(old.email, 'a password that is wrong')).status).toBe(401)
  expect(await stored()).toBe(weaker)
  for (const _again of [1, 2]) {
    expect((await login(old.email, USER_PASSWORD)).status).toBe(200)
    expect(await stored()).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,/)
  }
})

it('publishes the keys that its tokens are signed with, and no private part', async () => {
  const { body, headers } = await world.send('GET', '/.well-known/jwks.json')
  expect(headers.get('cache-control')).toBe('public, max-age=300')
  expect(body.keys.map((key: object) => Object.keys(key).sort())).toEqual([
    ['alg', 'e', 'kid', 'kty', 'n', 'use'],
  ])
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', world.base))
  const { payload } = await jwtVerify(acme.token, keys, {
    issuer: world.config.TOKEN_ISSUER,
    audience: world.config.TOKEN_AUDIENCE,
  })
  expect(payload).toMatchObject({ sub: acme.adminId, tenantId: 'acme', type: 'user' })
})

it('refuses a token that another tenant is named beside', async () => {
  const answer = await world.send('GET', '/v1/me', { token: acme.token, tenant: 'platform' })
  expect(refusal(answer)).toEqual([400, 'TENANT_MISMATCH'])
  expect(refusal(await world.send('GET', '/v1/me', { tenant: 'acme' }))).toEqual([401, 'UNAUTHORIZED'])
  expect((await world.send('GET', '/v1/me', { token: acme.token })).headers.get('cache-control')).toBe(
    'no-store',
  )
})

it('writes no password, token or invitation into the log', async () => {
  const lee = await viewer('lee')
  await login(lee.email, 'a password that is wrong')
  await refresh(`${lee.refreshToken}x`)
  const invitation = await world.send('POST', `/v1/users/${lee.id}/invitation`, { token: acme.token })
  const log = world.log.join('')
  expect(log).toContain('/v1/auth/login')
  const secrets = [
    USER_PASSWORD,
    'a password that is wrong',
    PASSWORD,
    lee.token,
    lee.refreshToken,
    lee.email,
  ]
  for (const secret of [...secrets, acme.token, invitation.body.data.token]) expect(log).not.toContain(secret)
})

/** How many access tokens of somebody's ended logins are denied. */
async function denied({ id }: Person): Promise<number> {
  const { rows } = await world.root.query<{ count: number }>(
    `select count(*)::int as count from c_acme.denied_jti d
      join c_acme.refresh_token t on t.jti::text = d.jti
      join c_acme.refresh_token_family f on f.id = t.family_id and f.revoked_at is not null
      where f.user_id = $1`,
    [id],
  )
  return rows[0]?.count ?? 0
}

/** What is answered to requests that wait for a change of this person that is not committed yet. */
async function during(change: string, { id }: Person, send: () => ReturnType<typeof login>[]) {
  const client = await world.root.connect()
  try {
    await client.query('begin')
    await client.query(change, [id])
    const answers = send()
    await expect.poll(() => waiting()).toBe(answers.length)
    await client.query('commit')
    return await Promise.all(answers)
  } finally {
    // Not given back with a transaction that a failure left open.
    client.release(true)
  }
}

/** How many in this database wait for a lock. */
async function waiting(): Promise<number | null> {
  const { rowCount } = await world.root.query(`select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`)
  return rowCount
}
