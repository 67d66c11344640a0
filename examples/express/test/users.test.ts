import { expect, it } from 'vitest'
import { PASSWORD, useWorld } from './support/world.ts'

const world = useWorld()

it('invites a user, who chooses a password and signs in', async () => {
  const token = world.operator
  const made = await world.send('POST', '/v1/users', { token, body: { email: 'bo@example.com', name: 'Bo' } })
  expect(made.status).toBe(201)
  const { user, invitation } = made.body.data
  expect(user).toMatchObject({ email: 'bo@example.com', status: 'active' })
  const body = { token: invitation.token, password: 'another good password' }
  expect((await world.send('POST', '/v1/auth/invitation', { tenant: 'platform', body })).status).toBe(200)
  const again = await world.send('POST', '/v1/auth/invitation', { tenant: 'platform', body })
  expect([again.status, again.body.error.code]).toEqual([401, 'INVALID_TOKEN'])
  const login = (password: string) =>
    world.send('POST', '/v1/auth/login', { tenant: 'platform', body: { email: 'BO@example.com', password } })
  expect((await login('another good password')).status).toBe(200)
  expect((await login(PASSWORD)).status).toBe(401)
})

it('pages through users, sorted, without repeating any', async () => {
  const token = world.operator
  for (const name of ['a', 'b', 'c', 'd']) {
    await world.send('POST', '/v1/users', {
      token,
      body: { email: `${name}@page.example`, name: `Page ${name}` },
    })
  }
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await world.send('GET', `/v1/users?limit=2&sort=name:asc&q=page${cursor}`, { token })
    seen.push(...body.data.map((user: { name: string }) => user.name))
    cursor = body.meta.hasMore ? `&cursor=${body.meta.nextCursor}` : ''
  } while (cursor !== '')
  expect(seen).toEqual(['Page a', 'Page b', 'Page c', 'Page d'])
})

it('refuses what does not fit before it does anything', async () => {
  const token = world.operator
  const extra = await world.send('POST', '/v1/users', {
    token,
    body: { email: 'x@example.com', name: 'X', tenantId: 'acme' },
  })
  expect([extra.status, extra.body.error.details]).toEqual([
    400,
    { field: 'body.tenantId', reason: 'unrecognized_keys' },
  ])
  const cursor = await world.send('GET', '/v1/users?cursor=bm9uc2Vuc2U', { token })
  expect([cursor.status, cursor.body.error.code]).toEqual([400, 'VALIDATION_ERROR'])
  expect((await world.send('GET', '/v1/users')).status).toBe(401)
})
