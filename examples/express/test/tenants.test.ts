import { beforeAll, expect, it } from 'vitest'
import { refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld()
const asOperator = (method: string, path: string, body?: unknown) =>
  world.send(method, path, { token: world.operator, body })

/** Whoever it is: for what is refused, or changes nothing. */
let acme: Onboarded
beforeAll(async () => {
  acme = await world.onboard('acme')
})

it('onboards a tenant with its package and administrator', async () => {
  const { body } = await asOperator('GET', '/v1/tenants/acme')
  expect(body.data).toMatchObject({ id: 'acme', status: 'active', packages: ['essentials'], plan: 'starter' })
  const { rows } = await world.root.query(
    `select u.email, g.name from c_acme."user" u join c_acme.user_group m on m.user_id = u.id
      join c_acme."group" g on g.id = m.group_id where u.id = $1`,
    [acme.adminId],
  )
  expect(rows).toEqual([{ email: 'ana@acme.example', name: 'ADM_CLIENTE' }])
  expect((await world.send('GET', '/v1/users', { token: acme.token })).body.data).toHaveLength(1)
})

it('says that a slug is taken, however many ask for it at once', async () => {
  const body = {
    slug: 'twice',
    name: 'Twice',
    packageKey: 'essentials',
    adminUser: { email: 'a@twice.example', name: 'A' },
  }
  const answers = await Promise.all([1, 2, 3].map(() => asOperator('POST', '/v1/tenants', body)))
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  expect(answers.find(({ status }) => status === 409)?.body.error).toMatchObject({
    code: 'DUPLICATE_RESOURCE',
    details: { field: 'slug' },
  })
})

it('takes effect at once when a tenant is suspended, and resumed', async () => {
  const { token } = await world.onboard('paused')
  const users = () => world.send('GET', '/v1/users', { token })
  expect((await users()).status).toBe(200)
  const suspended = await asOperator('PATCH', '/v1/tenants/paused', { status: 'suspended', reason: 'unpaid' })
  expect(suspended.body.data).toMatchObject({ status: 'suspended', suspendedReason: 'unpaid' })
  const refused = await users()
  expect([refused.status, refused.body.error.code]).toEqual([403, 'TENANT_SUSPENDED'])
  expect(refused.text).not.toContain('unpaid')
  expect((await asOperator('GET', '/v1/tenants/paused/limits')).body.error.details).toEqual({
    reason: 'tenant_suspended',
  })
  await asOperator('PATCH', '/v1/tenants/paused', { status: 'active' })
  expect((await users()).status).toBe(200)
})

it('lets nobody become an operator by a package', async () => {
  expect((await asOperator('POST', '/v1/tenants/acme/packages/platform/assign', {})).status).toBe(404)
  const inside = await asOperator('POST', '/v1/catalog/packages/essentials/actions', {
    actions: ['platform.*'],
  })
  expect([inside.status, inside.body.error.details]).toEqual([409, { reason: 'own' }])
  const body = {
    slug: 'sly2',
    name: 'Sly',
    packageKey: 'platform',
    adminUser: { email: 'a@sly.example', name: 'A' },
  }
  expect((await asOperator('POST', '/v1/tenants', body)).status).toBe(400)
  const denied = await world.send('GET', '/v1/tenants', { token: acme.token })
  expect([denied.status, denied.body.error.details]).toEqual([403, { action: 'platform.tenants.read' }])
})

it('takes no body for one without fields, and says what a field should have been', async () => {
  for (const path of ['seeds', 'packages/essentials/assign'])
    expect((await asOperator('POST', `/v1/tenants/acme/${path}`)).status, path).toBe(200)
  const refused = async (method: string, path: string, body?: unknown) =>
    (await asOperator(method, path, body)).body.error.details
  expect(await refused('POST', '/v1/tenants')).toEqual({
    field: 'body.slug',
    reason: 'invalid_type',
    expected: 'string',
  })
  expect(await refused('GET', '/v1/tenants?limit=9999')).toMatchObject({ expected: 'at most 200' })
  expect(await refused('GET', '/v1/tenants?limit=0')).toMatchObject({ expected: 'at least 1' })
  expect(await refused('GET', '/v1/tenants?createdAtFrom=monday')).toMatchObject({ expected: 'datetime' })
  const { expected } = await refused('GET', '/v1/tenants?status=asleep')
  expect(expected).toContain('suspended')
  const { body } = await world.send('GET', '/openapi.json')
  const required = (path: string) => body.paths[path].post.requestBody.required
  expect([required('/v1/tenants/{id}/seeds'), required('/v1/tenants')]).toEqual([false, true])
})

it('counts what a tenant uses up to its limit', async () => {
  await world.onboard('small')
  expect((await asOperator('GET', '/v1/tenants/small/limits')).body.data).toContainEqual(
    expect.objectContaining({ name: 'max_users', limit: 25, source: 'plan' }),
  )
  await asOperator('PUT', '/v1/tenants/small/limits', { limits: { max_storage_gb: 2 } })
  const take = (amount: number) =>
    asOperator('POST', '/v1/tenants/small/resources', { resource: 'max_storage_gb', amount })
  expect((await take(1.5)).body.data).toEqual({ resource: 'max_storage_gb', used: 1.5, limit: 2 })
  expect((await take(1)).body.error).toMatchObject({
    code: 'QUOTA_EXCEEDED',
    details: { reason: 'limit_reached', resource: 'max_storage_gb' },
  })
  expect((await asOperator('GET', '/v1/tenants/small/resources')).body.data).toEqual([
    { resource: 'max_storage_gb', used: 1.5, limit: 2 },
  ])
})

it('explains who may do what, and what is missing', async () => {
  const ask = (action: string) =>
    asOperator('GET', `/v1/tenants/acme/explain?user=${acme.adminId}&action=${action}`)
  expect((await ask('identity.users.create')).body.data).toMatchObject({ allowed: true, missing: null })
  expect((await ask('catalog.tools.create')).body.data).toMatchObject({
    allowed: false,
    missing: { link: 'package', ok: false },
  })
})

it('drops a schema only when confirmed, gives it back to the same tenant, and off-boards for good', async () => {
  const { token } = await world.onboard('gone')
  expect((await asOperator('DELETE', '/v1/tenants/gone/schema?confirm=acme')).status).toBe(400)
  expect((await asOperator('DELETE', '/v1/tenants/gone/schema?confirm=gone')).body.data.status).toBe(
    'deleted',
  )
  expect((await world.send('GET', '/v1/users', { token })).status).toBe(401)
  expect((await asOperator('POST', '/v1/tenants/gone/schema')).body.data.status).toBe('active')
  const seeded = await asOperator('POST', '/v1/tenants/gone/seeds', {
    adminUser: { email: 'new@gone.example', name: 'New' },
  })
  expect(seeded.body.data.invitation.token).toBeTypeOf('string')

  expect((await asOperator('DELETE', '/v1/tenants/gone?confirm=gone')).body.error.details).toEqual({
    reason: 'no_backup_directory',
  })
  const left = await asOperator('DELETE', '/v1/tenants/gone?confirm=gone&backup=skip')
  expect([left.status, left.body.data.tenant]).toEqual([200, 'gone'])
  const { rows } = await world.root.query(`select to_regnamespace('c_gone') is null as gone`)
  expect(rows).toEqual([{ gone: true }])
  const again = await asOperator('POST', '/v1/tenants', {
    slug: 'gone',
    name: 'Other',
    packageKey: 'essentials',
    adminUser: { email: 'o@gone.example', name: 'O' },
  })
  expect([again.status, again.body.error.code]).toEqual([409, 'CONFLICT'])
})

it('protects the tenant of the operators', async () => {
  const suspended = await asOperator('PATCH', '/v1/tenants/platform', { status: 'suspended' })
  expect(suspended.body.error.details).toEqual({ reason: 'platform' })
  expect((await asOperator('DELETE', '/v1/tenants/platform?confirm=platform&backup=skip')).status).toBe(409)
})

const newTenant = (slug: string, more: object = {}) => ({
  slug,
  name: slug,
  packageKey: 'essentials',
  adminUser: { email: `a@${slug}.example`, name: 'A' },
  ...more,
})

it('makes nothing of a tenant whose plan there is not', async () => {
  const refused = await asOperator('POST', '/v1/tenants', newTenant('planless', { plan: 'none' }))
  expect([...refusal(refused), refused.body.error.details]).toEqual([
    400,
    'VALIDATION_ERROR',
    { field: 'body.plan', reason: 'unknown_plan' },
  ])
  expect((await asOperator('GET', '/v1/tenants/planless')).status).toBe(404)
  const { rows } = await world.root.query(`select to_regnamespace('c_planless') is null as none`)
  expect(rows).toEqual([{ none: true }])
})

it('changes nothing when it refuses a change', async () => {
  await world.onboard('whole')
  await asOperator('PATCH', '/v1/tenants/whole', { status: 'suspended' })
  const limits = { plan: 'unlimited', limits: { max_users: 7 } }
  expect((await asOperator('PUT', '/v1/tenants/whole/limits', limits)).body.error.details).toEqual({
    reason: 'tenant_suspended',
  })
  const read = `select plan_key as plan, limits from rbac.tenant_entitlement where tenant = 'whole'`
  expect((await world.root.query(read)).rows).toEqual([{ plan: 'starter', limits: {} }])
  await asOperator('PATCH', '/v1/tenants/whole', { status: 'active' })
  const unknown = await asOperator('PUT', '/v1/tenants/whole/limits', { plan: 'none' })
  expect(unknown.body.error.details).toEqual({ field: 'body.plan', reason: 'unknown_plan' })

  const both = { name: 'Renamed', status: 'suspended' }
  expect((await asOperator('PATCH', '/v1/tenants/platform', both)).status).toBe(409)
  expect((await asOperator('GET', '/v1/tenants/platform')).body.data.name).toBe('Platform')
})

it('brings nobody back who has left', { tags: 'slow' }, async () => {
  await world.onboard('left')
  expect((await asOperator('DELETE', '/v1/tenants/left?confirm=left&backup=skip')).status).toBe(200)
  const attempts = [
    ['POST', '/v1/tenants', newTenant('left', { name: 'Newcomer' })],
    ['PATCH', '/v1/tenants/left', { name: 'Ghost' }],
    ['PATCH', '/v1/tenants/left', { status: 'active' }],
    ['POST', '/v1/tenants/left/packages/essentials/assign', {}],
    ['PUT', '/v1/tenants/left/limits', { limits: { max_users: 1 } }],
    ['POST', '/v1/tenants/left/schema', undefined],
    ['POST', '/v1/tenants/left/seeds', {}],
    ['DELETE', '/v1/tenants/left/schema?confirm=left', undefined],
  ] as const
  for (const [method, path, body] of attempts) {
    expect([path, ...refusal(await asOperator(method, path, body))]).toEqual([path, 409, 'CONFLICT'])
  }
  const kept = await world.root.query(`select key from hub.tenant_profile where key = 'left'
    union all select tenant from rbac.tenant_entitlement where tenant = 'left'`)
  expect(kept.rows).toEqual([])
  expect((await asOperator('GET', '/v1/tenants/left')).body.data).toMatchObject({
    name: 'left',
    status: 'deleted',
    packages: [],
  })
  const again = await asOperator('DELETE', '/v1/tenants/left?confirm=left&backup=skip')
  expect([again.status, again.body.data.tenant], 'the receipt once more').toEqual([200, 'left'])
})

it('goes on with a leave, and an onboarding, that were cut off at any step', { tags: 'slow' }, async () => {
  const refuse = `create function refuse() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$`
  await world.root.query(refuse)
  const cut = async (change: string, send: () => ReturnType<typeof asOperator>, done: number) => {
    // Only the change fails: the operator's own rights are read from these tables.
    await world.root.query(`create trigger cut before ${change} for each statement execute function refuse()`)
    try {
      expect(refusal(await send()), change).toEqual([500, 'DATABASE_ERROR'])
    } finally {
      await world.root.query(`drop trigger cut on ${change.split(' ').at(-1)}`)
    }
    expect((await send()).status, change).toBe(done)
  }
  const steps = [
    'insert on hub.tenant_profile',
    'insert or update on rbac.tenant_entitlement',
    'insert on rbac.tenant_package',
    'update of onboarded_at on hub.tenant_profile',
  ]
  for (const [at, change] of steps.entries()) {
    await cut(change, () => asOperator('POST', '/v1/tenants', newTenant(`cut${at}`)), 201)
  }
  const { rows } =
    await world.root.query(`select u.email, count(m.group_id)::int as groups from c_cut1."user" u
    join c_cut1.user_group m on m.user_id = u.id group by u.email`)
  expect(rows, 'one administrator').toEqual([{ email: 'a@cut1.example', groups: 1 }])
  const leaving = ['rbac.tenant_entitlement', 'hub.api_key_directory', 'hub.tenant_profile']
  for (const [at, table] of leaving.entries()) {
    const path = `/v1/tenants/cut${at}?confirm=cut${at}&backup=skip`
    await cut(`delete on ${table}`, () => asOperator('DELETE', path), 200)
  }
  const kept = await world.root.query(
    `select from hub.tenant_profile where key in ('cut0', 'cut1', 'cut2')
      union all select from rbac.tenant_entitlement where tenant in ('cut0', 'cut1', 'cut2')`,
  )
  expect(kept.rowCount).toBe(0)
})

it('seeds no administrator whose name is no line of text', async () => {
  const adminUser = { email: 'b@acme.example', name: 'x\u0001y' }
  const answer = await asOperator('POST', '/v1/tenants/acme/seeds', { adminUser })
  expect([...refusal(answer), answer.body.error.details.field]).toEqual([
    400,
    'VALIDATION_ERROR',
    'body.adminUser.name',
  ])
})

it('pages through the users of a tenant, and shows an operator no more than it takes to ask', {
  tags: 'slow',
}, async () => {
  const { token } = await world.onboard('crowd')
  for (const name of ['bo', 'cy']) {
    await world.send('POST', '/v1/users', { token, body: { email: `${name}@crowd.example`, name } })
  }
  const list = (query: string) => asOperator('GET', `/v1/tenants/crowd/users?sort=email:asc&limit=2${query}`)
  const first = (await list('')).body
  expect(first.meta.hasMore).toBe(true)
  const second = (await list(`&cursor=${first.meta.nextCursor}`)).body
  const emails = [...first.data, ...second.data].map(({ email }: { email: string }) => email)
  expect(emails).toEqual(['ana@crowd.example', 'bo@crowd.example', 'cy@crowd.example'])
  expect(Object.keys(first.data[0]).sort()).toEqual(['email', 'id', 'name', 'status'])
})

it('lets nothing of a schema that was dropped open the one made after it', async () => {
  const { token, refreshToken, slug } = await world.onboard('phoenix')
  const made = await world.send('POST', '/v1/api-keys', { token, body: { name: 'k', profile: 'admin' } })
  const key = made.body.data.key
  await asOperator('DELETE', '/v1/tenants/phoenix/schema?confirm=phoenix')
  expect((await asOperator('POST', '/v1/tenants/phoenix/schema')).status).toBe(200)
  await asOperator('POST', '/v1/tenants/phoenix/seeds', {
    adminUser: { email: 'ana@phoenix.example', name: 'Ana' },
  })
  const users = async (bearer: string) => refusal(await world.send('GET', '/v1/users', { token: bearer }))
  expect(await users(token)).toEqual([403, 'FORBIDDEN_ACTION'])
  expect(await users(key)).toEqual([401, 'INVALID_TOKEN'])
  const refresh = await world.send('POST', '/v1/auth/refresh', { tenant: slug, body: { refreshToken } })
  expect(refusal(refresh)).toEqual([401, 'INVALID_TOKEN'])
})

it('does nothing to the tenant of the operators that would lock them out, nor takes a package for one that is none', async () => {
  const attempts = [
    ['DELETE', '/v1/tenants/platform/schema?confirm=platform', undefined],
    ['POST', '/v1/tenants/platform/schema', undefined],
    ['POST', '/v1/tenants/platform/seeds', {}],
    ['POST', '/v1/tenants/platform/packages/platform/assign', { status: 'suspended' }],
    ['POST', '/v1/tenants/platform/packages/essentials/assign', {}],
  ] as const
  for (const [method, path, body] of attempts) {
    const answer = await asOperator(method, path, body)
    expect([path, answer.body.error.details]).toEqual([path, { reason: 'platform' }])
  }
  const inherited = await asOperator('POST', '/v1/tenants/acme/packages/constructor/assign', {})
  expect(refusal(inherited)).toEqual([404, 'NOT_FOUND'])
  const made = await asOperator('POST', '/v1/tenants', newTenant('odd', { packageKey: 'constructor' }))
  expect([...refusal(made), made.body.error.details]).toEqual([
    400,
    'VALIDATION_ERROR',
    { field: 'body.packageKey' },
  ])
  const other = await asOperator('DELETE', '/v1/tenants/acme?confirm=platform&backup=skip')
  expect([...refusal(other), other.body.error.details.field]).toEqual([
    400,
    'VALIDATION_ERROR',
    'query.confirm',
  ])
  expect((await world.send('GET', '/v1/users', { token: acme.token })).status).toBe(200)
})

it('shows no package that has run out', { tags: 'slow' }, async () => {
  await world.onboard('brief')
  const assign = (expiresAt: string) =>
    asOperator('POST', '/v1/tenants/brief/packages/essentials/assign', { expiresAt })
  expect((await assign('2999-01-01T00:00:00Z')).body.data.packages).toEqual(['essentials'])
  expect((await assign('2020-01-01T00:00:00Z')).body.data.packages).toEqual([])
})

it('invites no administrator who has a password, masks secrets, and asks about one actor', {
  tags: 'slow',
}, async () => {
  const { adminId } = await world.onboard('inside')
  const adminUser = { email: 'ana@inside.example', name: 'Ana' }
  const seeded = await asOperator('POST', '/v1/tenants/inside/seeds', { adminUser })
  expect(seeded.body.data).toMatchObject({ adminId, invitation: null })
  await world.hub.inTenant('inside' as never, (db) =>
    world.hub.settings.setMany(db, { 'smtp.host': 'mail.example', 'smtp.password': 'hunter2 hunter2' }),
  )
  const settings = await asOperator('GET', '/v1/tenants/inside/settings')
  expect(settings.body.data).toEqual([
    { key: 'smtp.host', value: 'mail.example', masked: false },
    { key: 'smtp.password', value: null, masked: true },
  ])
  const both = `user=${adminId}&apiKey=${adminId}&action=account.me.read`
  expect((await asOperator('GET', `/v1/tenants/inside/explain?${both}`)).status).toBe(400)
  expect((await asOperator('GET', '/v1/tenants/inside/explain?action=account.me.read')).status).toBe(400)
})

it('knows nobody of a tenant that has left, as a tenant that is not there, and none of its keys', {
  tags: 'slow',
}, async () => {
  const { token } = await world.onboard('away')
  const { body } = await world.send('POST', '/v1/api-keys', { token, body: { name: 'k', profile: 'admin' } })
  const { key, apiKey } = body.data
  const entered = async () =>
    (await world.root.query('select from hub.api_key_directory where key_id = $1', [apiKey.keyId])).rowCount
  const users = async (bearer: string) => refusal(await world.send('GET', '/v1/users', { token: bearer }))
  await asOperator('DELETE', '/v1/tenants/away/schema?confirm=away')
  expect([await users(token), await users(key)]).toEqual([
    [401, 'TENANT_NOT_FOUND'],
    [401, 'TENANT_NOT_FOUND'],
  ])
  expect(await entered()).toBe(1)
  expect((await asOperator('POST', '/v1/tenants/away/schema')).status).toBe(200)
  expect((await asOperator('DELETE', '/v1/tenants/away?confirm=away&backup=skip')).status).toBe(200)
  expect(await entered()).toBe(0)
})

it('makes more tenants at once than it has connections for', { tags: 'slow' }, async () => {
  const slugs = Array.from({ length: 6 }, (_, n) => `many${n}`)
  const answers = await Promise.all(slugs.map((slug) => asOperator('POST', '/v1/tenants', newTenant(slug))))
  expect(answers.map(({ status }) => status)).toEqual(slugs.map(() => 201))
})

it('gives its schema back to a tenant that was not made here, too', { tags: 'slow' }, async () => {
  await world.hub.tenancy.provision('foreign' as never)
  expect((await asOperator('DELETE', '/v1/tenants/foreign/schema?confirm=foreign')).status).toBe(200)
  const back = await asOperator('POST', '/v1/tenants/foreign/schema')
  expect([back.status, back.body.data.status]).toEqual([200, 'active'])
})
