// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { person, refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld({ OPERATING_PROFILE: 'enterprise', ARCHIVE_DIR: '/nowhere' })
const operator = (method: string, path: string, body?: unknown) =>
  world.send(method, path, { token: world.operator, body })
const as =
  ({ token }: Pick<Onboarded, 'token'>) =>
  (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    world.send(method, path, { token, body, ...(headers && { headers }) })

const inSlowSet = it.runIf(process.env.TEST_SLOW)

describe('impersonation', () => {
  it('lets an operator act as a user, for a reason and a time, and both sides see who it was', async () => {
    const acme = await world.onboard('acme')
    const entered = await operator('POST', '/v1/tenants/acme/impersonation', {
      reason: 'Ticket 7',
      minutes: 5,
    })
    expect(entered.status).toBe(201)
    const { accessToken, userId, id } = entered.body.data
    expect(userId).toBe(acme.adminId)
    const inside = as({ token: accessToken })
    expect((await inside('GET', '/v1/me')).body.data).toMatchObject({ tenant: 'acme' })
    await inside('POST', '/v1/groups', { name: 'Made by support' })
    const seen = await as(acme)('GET', '/v1/audit-logs?actorType=operator')
    expect(seen.body.data.map(({ action }: { action: string }) => action)).toEqual(
      expect.arrayContaining(['platform.tenants.impersonate', 'identity.groups.create']),
    )
    const [entry] = seen.body.data.filter(
      (one: { action: string }) => one.action === 'platform.tenants.impersonate',
    )
    expect(entry.metadata).toMatchObject({ reason: 'Ticket 7', impersonation: id })
    const own = await operator('GET', '/v1/audit-logs?action=platform.tenants.impersonate')
    expect(own.body.data).toMatchObject([{ actor: { type: 'user' }, metadata: { tenant: 'acme' } }])

    expect((await operator('DELETE', `/v1/tenants/acme/impersonation/${id}`)).status).toBe(204)
    expect(refusal(await inside('GET', '/v1/me'))).toEqual([401, 'INVALID_TOKEN'])
    expect((await as(acme)('GET', '/v1/me')).status, 'the user goes on').toBe(200)
  })

  inSlowSet('is not for who is no operator, nor into the platform, nor of who is not there', async () => {
    const zeta = await world.onboard('zeta')
    const body = { reason: 'Ticket 8' }
    expect(refusal(await as(zeta)('POST', '/v1/tenants/zeta/impersonation', body))).toEqual([
      403,
      'FORBIDDEN_ACTION',
    ])
    expect(refusal(await operator('POST', '/v1/tenants/platform/impersonation', body))[0]).toBe(409)
    expect(refusal(await operator('POST', '/v1/tenants/nobody/impersonation', body))).toEqual([
      404,
      'NOT_FOUND',
    ])
    const stranger = { ...body, userId: '00000000-0000-4000-8000-000000000000' }
    expect(refusal(await operator('POST', '/v1/tenants/zeta/impersonation', stranger))).toEqual([
      404,
      'NOT_FOUND',
    ])
  })

  inSlowSet.each([
    ['no reason', {}, 'reason'],
    ['an hour', { reason: 'x', minutes: 60 }, 'minutes'],
    ['no time', { reason: 'x', minutes: 0 }, 'minutes'],
    ['a malformed user', { reason: 'x', userId: '7' }, 'userId'],
  ])('needs more than %s', async (_what, body, field) => {
    const answer = await operator('POST', '/v1/tenants/platform/impersonation', body)
    expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
    expect(answer.body.error.details.field).toBe(`body.${field}`)
  })
})

describe.runIf(process.env.TEST_SLOW)('maintenance', () => {
  it('lets a tenant be read and not changed, and its neighbour do as ever', async () => {
    const [still, lively] = [await world.onboard('still'), await world.onboard('lively')]
    expect(refusal(await operator('PUT', '/v1/tenants/still/maintenance', { on: true }))).toEqual([
      400,
      'VALIDATION_ERROR',
    ])
    expect(
      (await operator('PUT', '/v1/tenants/still/maintenance', { on: true, reason: 'Move' })).status,
    ).toBe(204)
    const group = { name: 'New' }
    const refused = await as(still)('POST', '/v1/groups', group)
    expect([...refusal(refused), refused.body.error.details.reason]).toEqual([409, 'CONFLICT', 'maintenance'])
    expect(refused.text, 'it is not told why').not.toContain('Move')
    expect((await as(still)('GET', '/v1/groups')).status).toBe(200)
    expect((await as(lively)('POST', '/v1/groups', group)).status).toBe(201)
    await operator('PUT', '/v1/tenants/still/maintenance', { on: false })
    expect((await as(still)('POST', '/v1/groups', group)).status).toBe(201)
    const { body } = await as(still)(
      'GET',
      '/v1/audit-logs?actorType=operator&action=platform.tenants.update',
    )
    expect(body.data.map(({ metadata }: { metadata: unknown }) => metadata)).toEqual([
      { maintenance: false },
      { maintenance: true },
    ])
  })
})

describe.runIf(process.env.TEST_SLOW)('a clone', () => {
  it('has what the tenant has, but its people, keys and webhooks; nothing of it opens the copy', async () => {
    const source = await world.onboard('original')
    await person(world, source, 'bo')
    await as(source)('POST', '/v1/groups', { name: 'Readers' })
    await as(source)('PUT', '/v1/settings/smtp.host', { value: 'mail.example' })
    await as(source)('PUT', '/v1/settings/smtp.password', { value: 'canary-secret' })
    await as(source)('POST', '/v1/webhooks', { url: 'https://example.com/hook', events: ['*'] })
    const key = await as(source)('POST', '/v1/api-keys', { name: 'K', actions: ['account.me.read'] })
    const adminUser = { email: 'qa@copy.example', name: 'Quality' }
    const made = await operator('POST', '/v1/tenants/original/clone', {
      slug: 'copy',
      name: 'Copy',
      adminUser,
    })
    expect(made.status, made.text).toBe(201)
    const { accessToken } = (
      await world.send('POST', '/v1/auth/invitation', {
        tenant: 'copy',
        body: { token: made.body.data.invitation.token, password: 'correct horse battery' },
      })
    ).body.data
    const copy = as({ token: accessToken })
    const groups = (await copy('GET', '/v1/groups')).body.data.map(({ name }: { name: string }) => name)
    expect(groups).toContain('Readers')
    const settings = (await copy('GET', '/v1/settings')).text
    expect(settings).toContain('mail.example')
    const { rows: kept } = await world.root.query<{ key: string }>('select key from c_copy.app_settings')
    expect(kept).toEqual([{ key: 'smtp.host' }])
    expect((await copy('GET', '/v1/webhooks')).body.data).toEqual([])
    expect((await copy('GET', '/v1/api-keys')).body.data).toEqual([])
    const { rows } = await world.root.query(`select u::text as row from c_copy."user" u`)
    expect(JSON.stringify(rows)).not.toMatch(/original\.example/)
    expect((await copy('GET', '/v1/me')).body.data).toMatchObject({ tenant: 'copy' })
    const again = await operator('POST', '/v1/tenants/original/clone', {
      slug: 'copy',
      name: 'Copy',
      adminUser,
    })
    expect(refusal(again)).toEqual([409, 'DUPLICATE_RESOURCE'])
    const own = await world.send('GET', '/v1/me', { token: key.body.data.key })
    expect(own.body.data, 'the key is still the source’s').toMatchObject({ tenant: 'original' })
  })
})

describe('a user', () => {
  it('is shown all that is kept of them, and erased, and found in no table', async () => {
    const tenant = await world.onboard('forgetful')
    const who = await person(world, tenant, 'canary')
    const data = await as(tenant)('GET', `/v1/users/${who.id}/data`)
    expect(data.body.data.user).toMatchObject([{ email: who.email }])
    expect((await as(tenant)('DELETE', `/v1/users/${who.id}`)).status).toBe(204)
    expect(refusal(await world.send('GET', '/v1/me', { token: who.token }))[0]).toBe(401)
    const { rows: tables } = await world.root.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`,
    )
    const found: string[] = []
    for (const { name } of tables) {
      const { rowCount } = await world.root.query(`select from ${name} t where strpos(t::text, $1) > 0`, [
        who.email,
      ])
      if (rowCount) found.push(name)
    }
    expect(tables.length).toBeGreaterThan(50)
    expect(found).toEqual([])
    expect((await as(tenant)('GET', '/v1/audit-logs/verification')).body.data.ok).toBe(true)
    expect(refusal(await as(tenant)('DELETE', `/v1/users/${who.id}`))).toEqual([404, 'NOT_FOUND'])
    expect(
      refusal(await as(tenant)('DELETE', `/v1/users/${tenant.adminId}`))[0],
      'never the last administrator',
    ).toBe(409)
  })
})
