// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { beforeAll, expect, it } from 'vitest'
import { group, groupId, type Person, person, refusal } from './support/people.ts'
import { type Onboarded, type SendOptions, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
})

const NOBODY = '6a1d9a52-32a4-4d13-8d5a-9f6c0f3c1b11'
const as = (token: string, method: string, path: string, body?: SendOptions['body']) =>
  world.send(method, `/v1/groups${path}`, { token, body })
const admin = (method: string, path: string, body?: unknown) => as(acme.token, method, path, body)
const permissions = async (id: string) => (await admin('GET', `/${id}/permissions`)).body.data

it('makes, renames, describes, suspends and lists groups', async () => {
  const made = await admin('POST', '', { name: 'Sales', description: 'Those who sell' })
  expect([made.status, made.body.data]).toMatchObject([201, { name: 'Sales', status: 'active' }])
  const { id } = made.body.data
  const renamed = await admin('PATCH', `/${id}`, { name: 'Revenue' })
  expect(renamed.body.data).toMatchObject({ id, name: 'Revenue', description: 'Those who sell' })
  const bare = await admin('PATCH', `/${id}`, { description: null })
  expect(bare.body.data).toMatchObject({ name: 'Revenue', description: null })
  const asleep = await admin('PATCH', `/${id}/status`, { status: 'suspended', reason: 'not now' })
  expect(asleep.body.data).toMatchObject({ status: 'suspended', suspendedReason: 'not now' })
  const { body } = await admin('GET', '?status=suspended&q=reven&sort=name:desc')
  expect(body).toMatchObject({ data: [{ id }], meta: { nextCursor: null, hasMore: false } })
  const { rows } = await world.root.query(
    'select name, description, status from c_acme."group" where id = $1',
    [id],
  )
  expect(rows).toEqual([{ name: 'Revenue', description: null, status: 'suspended' }])
})

it('refuses a name that exists, an unknown id and a malformed one', async () => {
  const id = await group(world, acme.token, 'Twice', [])
  for (const answer of [
    await admin('POST', '', { name: 'Twice' }),
    await admin('PATCH', `/${id}`, { name: 'VIEWER' }),
  ]) {
    expect([...refusal(answer), answer.body.error.details]).toEqual([
      409,
      'DUPLICATE_RESOURCE',
      { field: 'name' },
    ])
  }
  const person = acme.adminId
  const paths = [
    ['PATCH', (one: string) => `/${one}`, { name: 'X' }],
    ['PATCH', (one: string) => `/${one}/status`, { status: 'active' }],
    ['GET', (one: string) => `/${one}/users`, undefined],
    ['POST', (one: string) => `/${one}/users/${person}`, undefined],
    ['POST', (one: string) => `/${id}/users/${one}`, undefined],
    ['DELETE', (one: string) => `/${id}/users/${one}`, undefined],
    ['GET', (one: string) => `/${one}/permissions`, undefined],
    ['POST', (one: string) => `/${one}/permissions`, { action: 'account.me.read' }],
    ['DELETE', (one: string) => `/${id}/permissions/${one}`, undefined],
  ] as const
  for (const [method, path, body] of paths) {
    expect(refusal(await admin(method, path(NOBODY), body)), `${method} ${path('')}`).toEqual([
      404,
      'NOT_FOUND',
    ])
    expect(refusal(await admin(method, path('x'), body)), `${method} ${path('')}`).toEqual([
      400,
      'VALIDATION_ERROR',
    ])
  }
  const told = await admin('POST', '', { name: 'X', tenantId: 'other' })
  expect(told.body.error.details).toEqual({ field: 'body.tenantId', reason: 'unrecognized_keys' })
})

it('lets members do what any of their groups grants, from the next request on', async () => {
  const bo = await person(world, acme, 'bo')
  const statuses = async () =>
    Promise.all(
      ['/v1/users', '/v1/groups', '/v1/branding'].map(
        async (path) => (await world.send('GET', path, { token: bo.token })).status,
      ),
    )
  expect(await statuses()).toEqual([403, 403, 403])
  const users = await group(world, acme.token, 'Sees users', ['identity.users.read'], [bo])
  expect(await statuses()).toEqual([200, 403, 403])
  const more = await group(world, acme.token, 'Sees groups', ['identity.groups.read'], [bo])
  expect(await statuses(), 'the union').toEqual([200, 200, 403])
  await admin('POST', `/${more}/permissions`, { action: 'account.*' })
  expect(await statuses()).toEqual([200, 200, 200])
  const deny = (
    await admin('POST', `/${users}/permissions`, { action: 'account.branding.read', effect: 'deny' })
  ).body.data
  expect(await statuses(), 'a deny of one group wins').toEqual([200, 200, 403])
  expect((await admin('DELETE', `/${users}/permissions/${deny.id}`)).status).toBe(204)
  expect(await statuses()).toEqual([200, 200, 200])
  await admin('PATCH', `/${more}/status`, { status: 'suspended' })
  expect(await statuses()).toEqual([200, 403, 403])
  expect((await admin('DELETE', `/${users}/users/${bo.id}`)).status).toBe(204)
  expect(await statuses()).toEqual([403, 403, 403])
})

it('pages through members and permissions', async () => {
  const people = [
    await person(world, acme, 'p1'),
    await person(world, acme, 'p2'),
    await person(world, acme, 'p3'),
  ]
  const actions = ['account.branding.read', 'account.config.read', 'account.me.read']
  const id = await group(world, acme.token, 'Paged', actions, people)
  expect((await admin('POST', `/${id}/users/${people[0]?.id}`)).status, 'again').toBe(204)
  const all = async (path: string, field: string) => {
    const seen: string[] = []
    let cursor = ''
    do {
      const { body } = await admin('GET', `/${id}/${path}&limit=2${cursor}`)
      seen.push(...body.data.map((one: Record<string, string>) => one[field]))
      cursor = body.meta.hasMore ? `&cursor=${body.meta.nextCursor}` : ''
    } while (cursor !== '')
    return seen
  }
  expect(await all('users?sort=email:asc', 'email')).toEqual(people.map(({ email }) => email))
  expect(await all('permissions?sort=action:asc', 'action')).toEqual(actions)
})

it('replaces what a group says of an action, and keeps its constraints', async () => {
  const id = await group(world, acme.token, 'Constrained', [])
  const constraints = { country: ['br', 'pt'], amount: { lte: 100 }, own: true }
  const first = await admin('POST', `/${id}/permissions`, { action: 'account.settings.read', constraints })
  expect([first.status, first.body.data]).toMatchObject([201, { effect: 'allow', constraints }])
  const second = await admin('POST', `/${id}/permissions`, {
    action: 'account.settings.read',
    effect: 'deny',
  })
  expect(second.body.data).toMatchObject({ id: first.body.data.id, effect: 'deny', constraints: null })
  expect(await permissions(id)).toHaveLength(1)
  for (const bad of [
    {},
    { own: false },
    { country: [] },
    { 'a b': 1 },
    { x: { like: 'y' } },
    { x: 'nul \0' },
    [],
    'own',
  ]) {
    const answer = await admin('POST', `/${id}/permissions`, { action: 'account.me.read', constraints: bad })
    expect(refusal(answer), JSON.stringify(bad)).toEqual([400, 'VALIDATION_ERROR'])
  }
  for (const action of ['account.me.fly', 'nothing.*', '*', 'account', 'identity.*; drop']) {
    const answer = await admin('POST', `/${id}/permissions`, { action })
    expect(refusal(answer), action).toEqual([400, 'VALIDATION_ERROR'])
  }
  expect(await permissions(id)).toHaveLength(1)
})

it('keeps the last administrator, whichever way they would go', async () => {
  const id = await groupId(world, 'acme', 'ADM_CLIENTE')
  const identity = (await permissions(id)).find(({ action }: { action: string }) => action === 'identity.*')
  for (const answer of [
    await admin('DELETE', `/${id}/users/${acme.adminId}`),
    await admin('PATCH', `/${id}/status`, { status: 'suspended' }),
    await admin('DELETE', `/${id}/permissions/${identity.id}`),
    await admin('POST', `/${id}/permissions`, { action: 'identity.users.create', effect: 'deny' }),
  ]) {
    expect([...refusal(answer), answer.body.error.details]).toEqual([
      409,
      'CONFLICT',
      { reason: 'last_administrator' },
    ])
  }
  const { rows } = await world.root.query(
    'select count(*)::int as count from c_acme.user_group where group_id = $1',
    [id],
  )
  expect(rows).toEqual([{ count: 1 }])
  const second = await person(world, acme, 'second')
  await admin('POST', `/${id}/users/${second.id}`)
  expect((await admin('DELETE', `/${id}/users/${second.id}`)).status, 'one of two').toBe(204)
})

it('gives nothing that the tenant is not entitled to', async () => {
  const id = await group(world, acme.token, 'Dreamers', [])
  for (const action of ['platform.tenants.read', 'platform.*', 'catalog.tools.create']) {
    const answer = await admin('POST', `/${id}/permissions`, { action })
    expect([...refusal(answer), answer.body.error.details], action).toEqual([
      403,
      'FORBIDDEN_ACTION',
      { action, reason: 'not_entitled' },
    ])
  }
  expect(await permissions(id)).toEqual([])
})

/** Somebody who may change groups and permissions, but little else. */
async function manager(
  name: string,
  also: Parameters<typeof group>[3] = [],
): Promise<Person & { readonly group: string }> {
  const one = await person(world, acme, name)
  const actions = [
    'identity.groups.create',
    'identity.groups.update',
    'identity.groups.read',
    'identity.permissions.update',
    'account.me.read',
  ]
  return { ...one, group: await group(world, acme.token, `Managers ${name}`, [...actions, ...also], [one]) }
}

it('lets nobody give more than they have', async () => {
  const max = await manager('max', [{ action: 'account.config.read', constraints: { own: true } }])
  const beyond = (answer: Parameters<typeof refusal>[0] & { body: { error: { details: object } } }) =>
    expect([...refusal(answer), answer.body.error?.details]).toMatchObject([
      403,
      'FORBIDDEN_ACTION',
      { reason: 'beyond_own' },
    ])
  const target = await group(world, acme.token, 'Target', [])
  const grant = (action: string, id = target) => as(max.token, 'POST', `/${id}/permissions`, { action })
  expect((await grant('account.me.read')).status).toBe(201)
  beyond(await grant('account.settings.read'))
  beyond(await grant('account.*'))
  beyond(await grant('account.config.read'))
  const config = await world.send('GET', '/v1/config', { token: max.token })
  expect(refusal(config), 'some records are not all').toEqual([403, 'FORBIDDEN_ACTION'])
  const admins = await groupId(world, 'acme', 'ADM_CLIENTE')
  const viewers = await groupId(world, 'acme', 'VIEWER')
  beyond(await as(max.token, 'POST', `/${admins}/users/${max.id}`))
  beyond(await as(max.token, 'POST', `/${viewers}/users/${max.id}`))
  beyond(await as(max.token, 'DELETE', `/${admins}/users/${acme.adminId}`))
  beyond(await as(max.token, 'PATCH', `/${viewers}/status`, { status: 'active' }))
  beyond(await as(max.token, 'PATCH', `/${admins}`, { name: 'Guests' }))
  beyond(await grant('account.me.read', admins))
  beyond(await grant('account.me.read', max.group)) // what they have on some records only is in it
  // As seeded groups do: they grant actions of all tools, of which the tenant has some.
  await world.root.query(
    `insert into c_acme.group_permission (group_id, tool_action) values ($1, 'platform.tenants.read')`,
    [target],
  )
  expect((await as(max.token, 'POST', `/${target}/users/${max.id}`)).status).toBe(204)
  const own = await group(world, max.token, 'Made by max', ['account.me.read'], [max])
  const me = await world.send('GET', '/v1/me', { token: max.token })
  expect(me.body.data.groups.map(({ id }: { id: string }) => id)).toContain(own)
  expect(me.body.data.permissions, 'no more than before').toHaveLength(6)
})

it('lets nobody shake off a deny', async () => {
  const meg = await manager('meg', ['account.branding.read'])
  const jail = await group(
    world,
    acme.token,
    'Jail',
    [{ action: 'account.branding.read', effect: 'deny' }],
    [meg],
  )
  const [deny] = await permissions(jail)
  for (const answer of [
    await as(meg.token, 'DELETE', `/${jail}/users/${meg.id}`),
    await as(meg.token, 'PATCH', `/${jail}/status`, { status: 'suspended' }),
    await as(meg.token, 'DELETE', `/${jail}/permissions/${deny.id}`),
    await as(meg.token, 'POST', `/${jail}/permissions`, { action: 'account.branding.read', effect: 'allow' }),
    await as(meg.token, 'POST', `/${jail}/permissions`, {
      action: 'account.branding.read',
      effect: 'deny',
      constraints: { own: true },
    }),
  ]) {
    expect(refusal(answer)).toEqual([403, 'FORBIDDEN_ACTION'])
  }
  expect((await world.send('GET', '/v1/branding', { token: meg.token })).status).toBe(403)
})

it('lets an administrator give a tool that came later, which nobody has yet', async () => {
  const token = world.operator
  const send = async (path: string, body: unknown) =>
    expect((await world.send('POST', path, { token, body })).status, path).toBeLessThan(300)
  await send('/v1/catalog/tools', { key: 'notes', name: 'Notes' })
  await send('/v1/catalog/tools/notes/actions', { key: 'notes.item.read', name: 'Read notes', kind: 'read' })
  await send('/v1/catalog/packages', { key: 'noting', name: 'Noting' })
  await send('/v1/catalog/packages/noting/actions', { actions: ['notes.item.read'] })
  const id = await group(world, acme.token, 'Note takers', [])
  const grant = () => admin('POST', `/${id}/permissions`, { action: 'notes.item.read' })
  expect(refusal(await grant()), 'before it is theirs').toEqual([403, 'FORBIDDEN_ACTION'])
  await send('/v1/tenants/acme/packages/noting/assign', {})
  expect((await grant()).status).toBe(201)
})
