// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { beforeAll, expect, it } from 'vitest'
import { group, groupId, person, refusal } from './support/people.ts'
import { type Onboarded, PASSWORD, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
})

const create = (token: string, body: object) => world.send('POST', '/v1/users', { token, body })

it('invites a user, who chooses a password and signs in', async () => {
  const token = world.operator
  const made = await create(token, { email: 'bo@example.com', name: 'Bo' })
  expect(made.status).toBe(201)
  const { user, invitation } = made.body.data
  expect(user).toMatchObject({ email: 'bo@example.com', status: 'active' })
  const body = { token: invitation.token, password: 'another good password' }
  expect((await world.send('POST', '/v1/auth/invitation', { tenant: 'platform', body })).status).toBe(200)
  const again = await world.send('POST', '/v1/auth/invitation', { tenant: 'platform', body })
  expect(refusal(again)).toEqual([401, 'INVALID_TOKEN'])
  const login = (password: string) =>
    world.send('POST', '/v1/auth/login', { tenant: 'platform', body: { email: 'BO@example.com', password } })
  expect((await login('another good password')).status).toBe(200)
  expect((await login(PASSWORD)).status).toBe(401)
  const { rows } = await world.root.query(
    `select password_hash like '$argon2id$%' as hashed, invitation_hash from c_platform.user_credential
      where user_id = $1`,
    [user.id],
  )
  expect(rows).toEqual([{ hashed: true, invitation_hash: null }])
})

it('pages through users, sorted, without repeating any', async () => {
  const token = world.operator
  for (const name of ['a', 'b', 'c', 'd'])
    await create(token, { email: `${name}@page.example`, name: `Page ${name}` })
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await world.send('GET', `/v1/users?limit=2&sort=name:asc&q=page${cursor}`, { token })
    seen.push(...body.data.map((user: { name: string }) => user.name))
    cursor = body.meta.hasMore ? `&cursor=${body.meta.nextCursor}` : ''
  } while (cursor !== '')
  expect(seen).toEqual(['Page a', 'Page b', 'Page c', 'Page d'])
})

it('pages through users of the same name, and none who was removed', async () => {
  const ids = [3, 1, 5, 2, 4].map((digit) => `00000000-0000-4000-8000-00000000000${digit}`)
  await world.root.query(
    `insert into c_acme."user" (id, email, name, deleted_at)
      select id, 'twin' || nr || '@acme.example', 'Twin', case when nr = 5 then now() end
      from unnest($1::uuid[]) with ordinality as t (id, nr)`,
    [ids],
  )
  const all = async (direction: string) => {
    const seen: string[] = []
    for (let cursor = ''; ; ) {
      const path = `/v1/users?limit=1&sort=name:${direction}&q=twin${cursor}`
      const { body } = await world.send('GET', path, { token: acme.token })
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      if (!body.meta.hasMore) return seen
      cursor = `&cursor=${body.meta.nextCursor}`
    }
  }
  const there = ids.slice(0, 4).sort()
  expect(await all('asc')).toEqual(there)
  expect(await all('desc')).toEqual(there.reverse())
})

it('narrows a list by status, text and time', async () => {
  const token = acme.token
  const cy = await person(world, acme, 'cy')
  await world.send('PATCH', `/v1/users/${cy.id}/status`, {
    token,
    body: { status: 'suspended', reason: 'left' },
  })
  const list = async (query: string) =>
    (await world.send('GET', `/v1/users?${query}`, { token })).body.data.map(
      ({ email }: { email: string }) => email,
    )
  expect(await list('status=suspended')).toEqual([cy.email])
  expect(await list('q=CY@')).toEqual([cy.email])
  expect(await list('q=%25'), '% means itself').toEqual([])
  expect(await list('createdAtFrom=2000-01-01T00:00:00Z&status=suspended')).toEqual([cy.email])
  expect(await list('createdAtTo=2000-01-01T00:00:00%2B02:00')).toEqual([])
})

it('refuses what does not fit before it does anything', async () => {
  const token = world.operator
  const extra = await create(token, { email: 'x@example.com', name: 'X', tenantId: 'acme' })
  expect([extra.status, extra.body.error.details]).toEqual([
    400,
    { field: 'body.tenantId', reason: 'unrecognized_keys' },
  ])
  for (const body of [
    { email: 'x@example.com', name: 'nul \0' },
    { email: 'x\0@example.com', name: 'X' },
    { email: 'x@example.com', name: 'half \ud800' },
    { email: 'x@example.com', name: 'x'.repeat(201) },
    { email: 'x@example.com', name: ' ' },
    { email: 'x@example.com' },
  ]) {
    expect(refusal(await create(token, body))).toEqual([400, 'VALIDATION_ERROR'])
  }
  expect((await world.send('GET', '/v1/users')).status).toBe(401)
})

const cursorOf = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')

it.each([
  ['limit=0'],
  ['limit=201'],
  ['sort=password_hash:asc'],
  ['status=deleted'],
  ['tenant=acme'],
  ['q=%00'],
  ['createdAtFrom=yesterday'],
  ['createdAtFrom=0000-01-01T00:00:00Z'],
  ['createdAtFrom=2026-02-30T00:00:00Z'],
  ['createdAtFrom=2026-01-01T00:00:00%2B23:00'],
  ['cursor=bm9uc2Vuc2U'],
  [`cursor=${cursorOf('name:asc', 'a', 'b')}`],
  [`sort=email:asc&cursor=${cursorOf('name:asc', 'a', 'b')}`],
  [`cursor=${cursorOf('created_at:desc', '2026-02-30 00:00:00+00', 'x')}`],
  [`cursor=${cursorOf('created_at:desc', '0000-01-01 00:00:00+00', 'x')}`],
  [`cursor=${cursorOf('created_at:desc', '2026-01-01 00:00:00+00', '\0')}`],
])('refuses a list with %s', async (query) => {
  expect(refusal(await world.send('GET', `/v1/users?${query}`, { token: acme.token }))).toEqual([
    400,
    'VALIDATION_ERROR',
  ])
})

it('knows an unknown id from a malformed one, and names the field that exists', async () => {
  const token = acme.token
  const nobody = '6a1d9a52-32a4-4d13-8d5a-9f6c0f3c1b11'
  for (const [method, path, body] of [
    ['PATCH', '', { name: 'X' }],
    ['PATCH', '/status', { status: 'active' }],
    ['POST', '/invitation', undefined],
  ] as const) {
    const send = (id: string) => world.send(method, `/v1/users/${id}${path}`, { token, body })
    expect(refusal(await send(nobody)), path).toEqual([404, 'NOT_FOUND'])
    expect(refusal(await send('7')), path).toEqual([400, 'VALIDATION_ERROR'])
  }
  const twice = await create(token, { email: 'ANA@ACME.example', name: 'Again' })
  expect([...refusal(twice), twice.body.error.details]).toEqual([
    409,
    'DUPLICATE_RESOURCE',
    { field: 'email' },
  ])
})

it('keeps the last administrator', async () => {
  const token = acme.token
  const answer = await world.send('PATCH', `/v1/users/${acme.adminId}/status`, {
    token,
    body: { status: 'suspended' },
  })
  expect([...refusal(answer), answer.body.error.details]).toEqual([
    409,
    'CONFLICT',
    { reason: 'last_administrator' },
  ])
  expect((await world.send('GET', '/v1/me', { token })).status, 'their logins go on').toBe(200)
})

it('lets nobody become, or suspend, somebody who may do more', async () => {
  const helper = await person(world, acme, 'helper')
  const other = await person(world, acme, 'other')
  await group(world, acme.token, 'Help desk', ['identity.users.update', 'identity.users.read'], [helper])
  const token = helper.token
  const admin = `/v1/users/${acme.adminId}`
  const invited = await world.send('POST', `${admin}/invitation`, { token })
  expect([...refusal(invited), invited.body.error.details.reason]).toEqual([
    403,
    'FORBIDDEN_ACTION',
    'beyond_own',
  ])
  const suspend = await world.send('PATCH', `${admin}/status`, { token, body: { status: 'suspended' } })
  expect(refusal(suspend)).toEqual([403, 'FORBIDDEN_ACTION'])
  expect((await world.send('POST', `/v1/users/${other.id}/invitation`, { token })).status).toBe(201)
})

it('takes nothing that somebody is denied for something they have', async () => {
  const [desk, jailed] = [await person(world, acme, 'desk'), await person(world, acme, 'jailed')]
  await group(world, acme.token, 'Desk', ['identity.users.update'], [desk])
  const deny = { action: 'account.settings.read', effect: 'deny' }
  await group(world, acme.token, 'No settings', [deny], [jailed])
  const again = await world.send('POST', `/v1/users/${jailed.id}/invitation`, { token: desk.token })
  expect(again.status).toBe(201)
})

it('has no more users than the plan, however many ask at once', async () => {
  const small = await world.onboard('small')
  const { store } = await world.hub.governance.current()
  await store.setTenant('small' as never, { limits: { max_users: 3 } })
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, n) => create(small.token, { email: `u${n}@small.example`, name: `U${n}` })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 403, 403, 403, 403])
  const refused = answers.find(({ status }) => status === 403)
  expect(refused?.body.error).toMatchObject({
    code: 'QUOTA_EXCEEDED',
    details: { reason: 'limit_reached', limit: 'max_users' },
  })
  const { rows } = await world.root.query('select count(*)::int as count from c_small."user"')
  expect(rows).toEqual([{ count: 3 }])
})

it('never lets two tenants with the same ids and e-mails meet', async () => {
  const [one, two] = [await world.onboard('one'), await world.onboard('two')]
  const same = 'b2f1c9d4-6c0e-4f43-9a0e-1f2d3c4b5a69'
  for (const { slug } of [one, two]) {
    await world.root.query(
      `insert into c_${slug}."user" (id, email, name) values ($1, 'same@example.com', 'Same ${slug}')`,
      [same],
    )
  }
  const list = async ({ token }: Onboarded) =>
    (await world.send('GET', '/v1/users?q=same', { token })).body.data.map(
      ({ name }: { name: string }) => name,
    )
  expect([await list(one), await list(two)]).toEqual([['Same one'], ['Same two']])
  await world.send('PATCH', `/v1/users/${same}`, { token: one.token, body: { name: 'Same renamed' } })
  await world.send('PATCH', `/v1/users/${same}/status`, { token: one.token, body: { status: 'suspended' } })
  expect([await list(one), await list(two)]).toEqual([['Same renamed'], ['Same two']])
  const { rows } = await world.root.query(`select name, status from c_two."user" where id = $1`, [same])
  expect(rows).toEqual([{ name: 'Same two', status: 'active' }])
  const groupOfOne = await groupId(world, 'one', 'VIEWER')
  const foreign = await world.send('POST', `/v1/groups/${groupOfOne}/users/${same}`, { token: two.token })
  expect(refusal(foreign)).toEqual([404, 'NOT_FOUND'])
})
