import { expect, it } from 'vitest'
import { useWorld } from './support/world.ts'

const world = useWorld()
const asOperator = (method: string, path: string, body?: unknown) =>
  world.send(method, path, { token: world.operator, body })

it('onboards a tenant with its package and administrator', async () => {
  const acme = await world.onboard('acme')
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
  const { token } = await world.onboard('sly')
  expect((await asOperator('POST', '/v1/tenants/sly/packages/platform/assign', {})).status).toBe(404)
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
  const denied = await world.send('GET', '/v1/tenants', { token })
  expect([denied.status, denied.body.error.details]).toEqual([403, { action: 'platform.tenants.read' }])
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
    code: 'CONFLICT',
    details: { reason: 'limit_reached', resource: 'max_storage_gb' },
  })
  expect((await asOperator('GET', '/v1/tenants/small/resources')).body.data).toEqual([
    { resource: 'max_storage_gb', used: 1.5, limit: 2 },
  ])
})

it('explains who may do what, and what is missing', async () => {
  const { adminId } = await world.onboard('clear')
  const ask = (action: string) =>
    asOperator('GET', `/v1/tenants/clear/explain?user=${adminId}&action=${action}`)
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
