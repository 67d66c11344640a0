import { createHash } from 'node:crypto'
import { parseTenantKey } from '@org/core'
import { decodeJwt, decodeProtectedHeader, importPKCS8, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { group, type Person, person, refusal } from './support/people.ts'
import { type Answer, type Onboarded, PASSWORD, type SendOptions, useWorld } from './support/world.ts'

// The promises of the hub as a client sees them: over HTTP, and each looked up in the database as well.

const world = useWorld()
let acme: Onboarded
let other: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
  other = await world.onboard('other')
})

const rows = async <T extends object>(text: string, values: unknown[] = []) =>
  (await world.root.query<T>(text, values)).rows
const send = (token: string | undefined, method: string, path: string, options: SendOptions = {}) =>
  world.send(method, path, { token, ...options })
const users = (token?: string, options: SendOptions = {}) => send(token, 'GET', '/v1/users', options)
const idsOf = (answer: Answer): string[] => answer.body.data.map(({ id }: { id: string }) => id)
const UNAUTHORIZED = [401, 'UNAUTHORIZED']
const FORBIDDEN = [403, 'FORBIDDEN_ACTION']
const MISMATCH = [400, 'TENANT_MISMATCH']
const INVALID = [400, 'VALIDATION_ERROR']

/** A digest of everything in a tenant's schema that requests could change. */
async function contentOf(slug: string): Promise<string> {
  const tables = [
    'user',
    'group',
    'user_group',
    'group_permission',
    'api_key',
    'tenant_branding',
    'app_settings',
  ]
  const parts = tables.map(
    (table) => `(select coalesce(jsonb_agg(t order by t::text), '[]') from c_${slug}."${table}" t)`,
  )
  const [found] = await rows<{ content: string }>(`select concat(${parts.join(', ')}) as content`)
  return createHash('sha256').update(String(found?.content)).digest('hex')
}

async function apiKey(token: string, name: string, rights: object): Promise<{ id: string; key: string }> {
  const made = await send(token, 'POST', '/v1/api-keys', { body: { name, ...rights } })
  expect(made.status, made.text).toBe(201)
  return { id: made.body.data.apiKey.id, key: made.body.data.key }
}

it('onboards: tenant, role, schema, package, and an administrator who signs in', async () => {
  const body = {
    slug: 'fresh',
    name: 'Fresh Ltd',
    packageKey: 'essentials',
    adminUser: { email: 'ada@fresh.example', name: 'Ada' },
  }
  const made = await send(world.operator, 'POST', '/v1/tenants', { body })
  expect(made.status).toBe(201)
  const { tenant, adminUser, invitation } = made.body.data
  expect(tenant).toMatchObject({ id: 'fresh', status: 'active', packages: ['essentials'], plan: 'starter' })

  expect(await rows(`select status, isolation from tenancy.tenant where key = 'fresh'`)).toEqual([
    { status: 'active', isolation: 'role' },
  ])
  const role = `${world.config.ROLE_PREFIX}fresh`
  expect(
    await rows(
      `select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, has_schema_privilege(oid, 'c_fresh', 'usage') as uses,
        has_schema_privilege(oid, 'c_acme', 'usage') as "usesAnother" from pg_roles where rolname = $1`,
      [role],
    ),
  ).toEqual([
    {
      rolcanlogin: false,
      rolsuper: false,
      rolcreatedb: false,
      rolcreaterole: false,
      uses: true,
      usesAnother: false,
    },
  ])
  expect(await rows(`select package_key, status from rbac.tenant_package where tenant = 'fresh'`)).toEqual([
    { package_key: 'essentials', status: 'active' },
  ])
  expect(
    await rows(
      `select u.id, u.email, g.name as "group" from c_fresh."user" u join c_fresh.user_group m on m.user_id = u.id
        join c_fresh."group" g on g.id = m.group_id`,
    ),
  ).toEqual([{ id: adminUser.id, email: 'ada@fresh.example', group: 'ADM_CLIENTE' }])

  const accept = { tenant: 'fresh', body: { token: invitation.token, password: PASSWORD } }
  const { status, body: signedIn } = await send(undefined, 'POST', '/v1/auth/invitation', accept)
  expect(status).toBe(200)
  expect(idsOf(await users(signedIn.data.accessToken))).toEqual([adminUser.id])
})

describe('whose request it is', () => {
  it('says a claim, and nothing else', async () => {
    expect(refusal(await users())).toEqual(UNAUTHORIZED)
    expect(refusal(await users(undefined, { tenant: 'acme' }))).toEqual(UNAUTHORIZED)
    expect(refusal(await users(undefined, { headers: { 'X-Tenant-Id': 'acme' } }))).toEqual(UNAUTHORIZED)
    expect(refusal(await send(undefined, 'GET', '/v1/users?tenantId=acme'))).toEqual(UNAUTHORIZED)
    expect((await users(await forged({ tenantId: 'acme' }))).status, 'the control').toBe(200)
    expect(refusal(await users(await forged({})))).toEqual([401, 'INVALID_TOKEN'])
    const nowhere = await forged({ tenantId: 'nowhere' })
    expect(refusal(await users(nowhere))).toEqual([401, 'TENANT_NOT_FOUND'])
    expect(refusal(await users(await forged({ tenantId: 'other' }))), 'nobody there').toEqual(FORBIDDEN)
  })

  it('is never decided by the header; services may name in it the tenant that their key has anyway', async () => {
    const { key } = await apiKey(acme.token, 'Sync', { profile: 'read-only' })
    expect(idsOf(await users(key, { tenant: 'acme' }))).toEqual([acme.adminId])
    expect(idsOf(await users(key))).toEqual([acme.adminId])
    for (const type of ['user', 'service'] as const) {
      const unclaimed = await forged({ type })
      expect(refusal(await users(unclaimed, { tenant: 'acme' })), type).toEqual([401, 'INVALID_TOKEN'])
    }
  })

  it('refuses two tenants in one request, whoever asks', async () => {
    const key = await apiKey(acme.token, 'Two', { profile: 'admin' })
    const before = await contentOf('other')
    for (const token of [acme.token, key.key]) {
      expect((await users(token, { tenant: 'acme' })).status, 'the same tenant').toBe(200)
      expect(refusal(await users(token, { tenant: 'other' }))).toEqual(MISMATCH)
      expect(refusal(await users(token, { headers: { 'X-Tenant-Id': 'other' } }))).toEqual(MISMATCH)
      const both = { 'X-Client-Key': 'acme', 'X-Tenant-Id': 'other' }
      expect(refusal(await users(token, { headers: both }))).toEqual(MISMATCH)
      const body = { email: 'eve@other.example', name: 'Eve' }
      expect(refusal(await send(token, 'POST', '/v1/users', { tenant: 'other', body }))).toEqual(MISMATCH)
    }
    expect(await contentOf('other')).toBe(before)
  })

  it('believes no tenant in a payload', async () => {
    const before = await contentOf('other')
    const mine = await contentOf('acme')
    const others = await group(world, other.token, 'Theirs', [])
    const named = await contentOf('other')
    expect(named).not.toBe(before)
    const attempts: [string, string, object][] = [
      ['POST', '/v1/users', { email: 'eve@acme.example', name: 'Eve', tenantId: 'other' }],
      ['POST', '/v1/users', { email: 'eve@acme.example', name: 'Eve', tenant: { id: 'other' } }],
      ['POST', '/v1/groups', { name: 'Spies', tenant_id: 'other' }],
      ['PUT', '/v1/settings/smtp.host', { value: 'evil.example', tenant: 'other' }],
      ['POST', '/v1/api-keys', { name: 'Spy', profile: 'admin', tenant: 'other' }],
    ]
    for (const [method, path, body] of attempts) {
      expect(refusal(await send(acme.token, method, path, { body })), path).toEqual(INVALID)
    }
    expect(refusal(await send(acme.token, 'GET', '/v1/users?tenant=other'))).toEqual(INVALID)
    // Ids of another tenant are nobody's here.
    const missing: [string, string, object | undefined][] = [
      ['PATCH', `/v1/groups/${others}`, { name: 'Ours' }],
      ['POST', `/v1/groups/${others}/permissions`, { action: 'account.me.read' }],
      ['POST', `/v1/groups/${others}/users/${acme.adminId}`, undefined],
      ['PATCH', `/v1/users/${other.adminId}`, { name: 'Renamed' }],
      ['PATCH', `/v1/users/${other.adminId}/status`, { status: 'suspended' }],
    ]
    for (const [method, path, body] of missing) {
      const options = body === undefined ? {} : { body }
      expect(refusal(await send(acme.token, method, path, options)), path).toEqual([404, 'NOT_FOUND'])
    }
    expect([await contentOf('acme'), await contentOf('other')]).toEqual([mine, named])
  })
})

it('shuts a suspended tenant out at once: its users, its keys, its logins; and nobody else', async () => {
  const halted = await world.onboard('halted')
  const { key } = await apiKey(halted.token, 'Robot', { profile: 'admin' })
  const login = () =>
    send(undefined, 'POST', '/v1/auth/login', {
      tenant: 'halted',
      body: { email: 'ana@halted.example', password: PASSWORD },
    })
  const refresh = () =>
    send(undefined, 'POST', '/v1/auth/refresh', {
      tenant: 'halted',
      body: { refreshToken: halted.refreshToken },
    })
  expect([(await users(halted.token)).status, (await users(key)).status, (await login()).status]).toEqual([
    200, 200, 200,
  ])
  const suspend = { body: { status: 'suspended', reason: 'unpaid' } }
  expect((await send(world.operator, 'PATCH', '/v1/tenants/halted', suspend)).status).toBe(200)

  const before = await contentOf('halted')
  const body = { email: 'late@halted.example', name: 'Late' }
  for (const answer of [
    await users(halted.token),
    await users(key),
    await send(halted.token, 'POST', '/v1/users', { body }),
    await send(key, 'POST', '/v1/users', { body }),
    await login(),
    await refresh(),
  ]) {
    expect(refusal(answer)).toEqual([403, 'TENANT_SUSPENDED'])
  }
  expect(await contentOf('halted')).toBe(before)
  expect((await users(acme.token)).status).toBe(200)

  expect(
    (await send(world.operator, 'PATCH', '/v1/tenants/halted', { body: { status: 'active' } })).status,
  ).toBe(200)
  expect([(await users(halted.token)).status, (await users(key)).status, (await refresh()).status]).toEqual([
    200, 200, 200,
  ])
})

describe('who may do what', () => {
  let bo: Person
  const asBo = async (method: string, path: string, options?: SendOptions) =>
    (await send(bo.token, method, path, options)).status

  beforeAll(async () => {
    bo = await person(world, acme, 'bo')
  })

  it('is nothing without a permission, and one thing with one', async () => {
    const before = await contentOf('acme')
    expect(refusal(await users(bo.token))).toEqual(FORBIDDEN)
    const body = { email: 'x@acme.example', name: 'X' }
    expect(refusal(await send(bo.token, 'POST', '/v1/users', { body }))).toEqual(FORBIDDEN)
    expect(await contentOf('acme')).toBe(before)

    const readers = await group(world, acme.token, 'Readers', ['identity.users.read'], [bo])
    expect(idsOf(await users(bo.token))).toContain(bo.id)
    expect(await asBo('POST', '/v1/users', { body })).toBe(403)
    expect(
      await rows('select tool_action, effect from c_acme.group_permission where group_id = $1', [readers]),
    ).toEqual([{ tool_action: 'identity.users.read', effect: 'allow' }])
  })

  it('is the union over groups', async () => {
    expect(await asBo('GET', '/v1/groups')).toBe(403)
    expect(await asBo('PUT', '/v1/settings/smtp.host', { body: { value: 'mail.example' } })).toBe(403)
    await group(world, acme.token, 'Group readers', ['identity.groups.read'], [bo])
    await group(world, acme.token, 'Postmasters', ['account.settings.update'], [bo])
    expect([await asBo('GET', '/v1/users'), await asBo('GET', '/v1/groups')]).toEqual([200, 200])
    expect(await asBo('PUT', '/v1/settings/smtp.host', { body: { value: 'mail.example' } })).toBe(200)
    expect(await asBo('GET', '/v1/settings')).toBe(403)
    expect(await rows(`select value from c_acme.app_settings where key = 'smtp.host'`)).toEqual([
      { value: '"mail.example"' },
    ])
  })

  it('is for a key what it is scoped to, until it is revoked', async () => {
    const { id, key } = await apiKey(acme.token, 'Reader', { actions: ['identity.users.read'] })
    expect(idsOf(await users(key))).toContain(acme.adminId)
    const before = await contentOf('acme')
    expect(refusal(await send(key, 'GET', '/v1/groups'))).toEqual(FORBIDDEN)
    expect(refusal(await send(key, 'POST', '/v1/groups', { body: { name: 'Made by a key' } }))).toEqual(
      FORBIDDEN,
    )
    expect(await contentOf('acme')).toBe(before)
    expect(JSON.stringify(await rows('select * from c_acme.api_key')), 'stored hashed').not.toContain(key)

    const revoke = { body: { status: 'revoked' } }
    expect((await send(acme.token, 'PATCH', `/v1/api-keys/${id}/status`, revoke)).status).toBe(200)
    expect(refusal(await users(key))).toEqual([401, 'INVALID_TOKEN'])
    expect(await rows('select status from c_acme.api_key where id = $1', [id])).toEqual([
      { status: 'revoked' },
    ])
  })
})

describe('two tenants with the same ids and e-mails', () => {
  const ID = '11111111-1111-4111-8111-111111111111'
  const EMAIL = 'twin@example.com'
  const passwords = { left: 'the left password', right: 'the right password' }
  const tokens = { left: '', right: '' }
  const login = (tenant: string, password: string) =>
    send(undefined, 'POST', '/v1/auth/login', { tenant, body: { email: EMAIL, password } })

  beforeAll(async () => {
    for (const slug of ['left', 'right'] as const) {
      await world.onboard(slug)
      await world.root.query(`insert into c_${slug}."user" (id, email, name) values ($1, $2, $3)`, [
        ID,
        EMAIL,
        `Twin ${slug}`,
      ])
      await world.root.query(
        `insert into c_${slug}.user_credential (user_id, password_hash) values ($1, $2)`,
        [ID, await world.hub.passwords.hash(passwords[slug])],
      )
      await world.root.query(`insert into c_${slug}."group" (id, name) values ($1, 'Twins')`, [ID])
      await world.root.query(`insert into c_${slug}.user_group (user_id, group_id) values ($1, $1)`, [ID])
      await world.root.query(
        `insert into c_${slug}.group_permission (id, group_id, tool_action) values ($1, $1, $2)`,
        [ID, slug === 'left' ? 'identity.*' : 'account.me.read'],
      )
      const { status, body } = await login(slug, passwords[slug])
      expect(status).toBe(200)
      tokens[slug] = body.data.accessToken
    }
  })

  it('sign in with their own passwords only', async () => {
    expect(refusal(await login('left', passwords.right))).toEqual(UNAUTHORIZED)
    expect(refusal(await login('right', passwords.left))).toEqual(UNAUTHORIZED)
  })

  it('see and may do what is theirs', async () => {
    const me = async (slug: 'left' | 'right') => (await send(tokens[slug], 'GET', '/v1/me')).body.data
    expect((await users(tokens.left)).status).toBe(200)
    expect(refusal(await users(tokens.right))).toEqual(FORBIDDEN)
    expect(await me('right')).toMatchObject({
      id: ID,
      tenant: 'right',
      name: 'Twin right',
      email: EMAIL,
      permissions: [{ action: 'account.me.read' }],
    })
    expect(refusal(await users(tokens.left, { tenant: 'right' }))).toEqual(MISMATCH)
  })

  it('change and end alone, however many requests of both run at once', async () => {
    const before = await contentOf('right')
    const rename = (at: number) =>
      send(tokens.left, 'PATCH', `/v1/users/${ID}`, { body: { name: `Left ${at}` } })
    const answers = await Promise.all(
      Array.from(
        { length: 20 },
        (_, at) => [rename(at), send(tokens.right, 'GET', '/v1/me')] as const,
      ).flat(),
    )
    for (const [at, { status, body, text }] of answers.entries()) {
      expect(status, text).toBe(200)
      if (at % 2 === 1) expect(body.data.name).toBe('Twin right')
    }
    const revoked = await send(tokens.left, 'DELETE', `/v1/groups/${ID}/permissions/${ID}`)
    expect(revoked.status, revoked.text).toBe(204)
    expect(refusal(await users(tokens.left))).toEqual(FORBIDDEN)
    expect((await send(tokens.right, 'GET', '/v1/me')).status).toBe(200)
    expect(await contentOf('right')).toBe(before)
    expect(await rows(`select name like 'Left %' as renamed from c_left."user" where id = $1`, [ID])).toEqual(
      [{ renamed: true }],
    )
  })

  it('lose their logins alone', async () => {
    const left = await login('left', passwords.left)
    await world.hub.inTenant(parseTenantKey('left'), (db) =>
      world.hub.tokens.refresh.revokeAllForUser(db, ID),
    )
    const again = (tenant: string, refreshToken: string) =>
      send(undefined, 'POST', '/v1/auth/refresh', { tenant, body: { refreshToken } })
    expect((await again('left', left.body.data.refreshToken)).status).toBe(401)
    const right = await login('right', passwords.right)
    expect((await again('left', right.body.data.refreshToken)).status, 'of the other tenant').toBe(401)
    expect((await again('right', right.body.data.refreshToken)).status).toBe(200)
  })
})

/** A token that the hub's own key signed, with these claims in place of others. */
async function forged(claims: {
  sub?: string
  type?: 'user' | 'service'
  tenantId?: string
}): Promise<string> {
  const { tenantId: _, ...rest } = decodeJwt(acme.token)
  const key = await importPKCS8(world.config.TOKEN_SIGNING_KEY, 'RS256')
  const header = decodeProtectedHeader(acme.token)
  return await new SignJWT({ ...rest, ...claims }).setProtectedHeader({ ...header, alg: 'RS256' }).sign(key)
}
