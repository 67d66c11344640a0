// @module-tag sampled
import { parseTenantKey, type TenantKey } from '@org/core'
import { createFleet } from '@org/pg-tenant'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acme, globex } from '../store/rbac-world.ts'
import { type App, expressApp, honoApp } from './apps.ts'
import { useProduct } from './product.ts'

// core, crypto, rbac and pg-tenant together: a real token or API key in, a decision and a tenant's rows out.

const joint = useProduct()

const STACKS = [
  ['Express', expressApp, false],
  ['Hono', honoApp, false],
  ['Express over a fleet', expressApp, true],
  ['Hono over a fleet', honoApp, true],
] as const
// Over a fleet in the slow set, over a tenancy in the other.
const LOOKED = STACKS.filter(([, , overAFleet]) => overAFleet === Boolean(process.env.TEST_SLOW))

describe.each(LOOKED)('%s', (_, open, overAFleet) => {
  let app: App
  beforeAll(async () => {
    const { tenancy, resolve, store } = joint.product
    app = await open({
      resolve,
      store,
      tenancy: overAFleet ? createFleet({ placements: { here: tenancy } }) : tenancy,
    })
  })
  afterAll(() => app.close())

  /** Status and code; of a refusal everything it says. */
  async function ask(credential: string, method: string, path: string, more: Record<string, string> = {}) {
    const authorization: Record<string, string> = credential ? { authorization: `Bearer ${credential}` } : {}
    const response = await app.ask(method, `/v1/${path}`, { ...authorization, ...more })
    const body = (await response.json()) as { error?: { code: string; details?: object } }
    return body.error ? [response.status, body.error.code, body.error.details] : [response.status]
  }
  const forbidden = (action: string) => [403, 'FORBIDDEN_ACTION', { action }]
  const refused = (status: number, code: string) => [status, code, undefined]
  const someone = async (groups: readonly string[], tenant: TenantKey = acme) => {
    const id = await joint.product.user(tenant, groups)
    return { id, token: await joint.product.token(tenant, id) }
  }

  it('a user may what the groups say, and nothing else', async () => {
    const { token } = await someone(['VIEWER'])
    expect(await ask(token, 'GET', 'notes')).toEqual([200])
    expect(await ask(token, 'POST', 'notes')).toEqual(forbidden('notes.item.create'))
    const nobody = await someone([])
    expect(await ask(nobody.token, 'GET', 'notes')).toEqual(forbidden('notes.item.read'))
  })

  it('joining and leaving a group counts at the next request, with the same token', async () => {
    const { id, token } = await someone(['VIEWER'])
    await joint.product.group(acme, 'OPERATOR', id, true)
    expect(await ask(token, 'POST', 'notes')).toEqual([201])
    await joint.product.group(acme, 'OPERATOR', id, false)
    expect(await ask(token, 'POST', 'notes')).toEqual(forbidden('notes.item.create'))
  })

  it('nobody may what the tenant is not entitled to, nor when the package has expired', async () => {
    const { store } = joint.product
    const { token } = await someone(['ADM_CLIENTE'])
    const pay = () => ask(token, 'POST', 'pay')
    expect(await pay()).toEqual(forbidden('billing.invoice.pay'))
    await store.assignPackage(acme, 'pay-2026')
    expect(await pay()).toEqual([200])
    await store.assignPackage(acme, 'pay-2026', { expiresAt: new Date() })
    expect(await pay()).toEqual(forbidden('billing.invoice.pay'))
    await store.unassignPackage(acme, 'pay-2026')
  })

  it('each tenant its rows: the token says which, and an account of one is none in the other', async () => {
    const [mine, theirs] = [await someone(['OPERATOR']), await someone(['OPERATOR'], globex)]
    const count = async (token: string) => {
      const answer = await app.ask('GET', '/v1/notes', { authorization: `Bearer ${token}` })
      return ((await answer.json()) as unknown[]).length
    }
    const before = await count(theirs.token)
    expect(await ask(mine.token, 'POST', 'notes')).toEqual([201])
    expect(await count(theirs.token)).toBe(before)
    const foreign = await joint.product.token(globex, mine.id)
    expect(await ask(foreign, 'GET', 'notes')).toEqual(forbidden('notes.item.read'))
  })

  it('a tenant that the header names has to be the one of the token or key', async () => {
    const { token } = await someone(['VIEWER'])
    const { key } = await joint.product.key(acme, { profile: 'read-only' })
    for (const credential of [token, key]) {
      const named = (tenant: string) => ask(credential, 'GET', 'notes', { 'x-tenant-id': tenant })
      expect(await named('globex')).toEqual(refused(400, 'TENANT_MISMATCH'))
      expect(await named('acme')).toEqual([200])
    }
  })

  it('a token that has expired, is forged, logged out or not there is nobody', async () => {
    const { id, token } = await someone(['VIEWER'])
    const late = await joint.product.token(acme, id, { age: 1_000 })
    expect(await ask(late, 'GET', 'notes')).toEqual(refused(401, 'TOKEN_EXPIRED'))
    const [head, body = '', signature] = token.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object
    const forged = Buffer.from(JSON.stringify({ ...claims, tenantId: 'globex' })).toString('base64url')
    expect(await ask(`${head}.${forged}.${signature}`, 'GET', 'notes')).toEqual(refused(401, 'INVALID_TOKEN'))
    expect(await ask('', 'GET', 'notes')).toEqual(refused(401, 'UNAUTHORIZED'))
    expect(await ask(token, 'GET', 'notes')).toEqual([200])
    await joint.product.logOut(acme, token)
    expect(await ask(token, 'GET', 'notes')).toEqual(refused(401, 'INVALID_TOKEN'))
  })

  it('a user who is suspended may nothing, though the token is good', async () => {
    const { tenancy, store } = joint.product
    const { id, token } = await someone(['VIEWER'])
    expect(await ask(token, 'GET', 'notes')).toEqual([200])
    await tenancy.withTenant(acme, (db) => store.users.setStatus(db, id, 'suspended'))
    expect(await ask(token, 'GET', 'notes')).toEqual(forbidden('notes.item.read'))
  })

  it('a key may the actions it is scoped to', async () => {
    const { key, record } = await joint.product.key(acme, { actions: ['notes.item.read'] })
    expect(await ask(key, 'GET', 'notes')).toEqual([200])
    expect(await ask(key, 'POST', 'notes')).toEqual(forbidden('notes.item.create'))
    const header = await app.ask('GET', '/v1/me', { 'x-api-key': key })
    expect(await header.json()).toEqual({
      tenant: 'acme',
      actor: { type: 'service', id: record.id },
      source: 'api-key',
    })
  })

  it.each([
    ['read-only', [200], forbidden('notes.item.create'), forbidden('billing.invoice.pay')],
    ['write', [200], [201], forbidden('billing.invoice.pay')],
    ['admin', [200], [201], forbidden('billing.invoice.pay')],
  ] as const)(
    'a key of profile %s may what its kind of action allows, within its tenant',
    async (profile, read, create, pay) => {
      const { key } = await joint.product.key(acme, { profile })
      expect(await ask(key, 'GET', 'notes')).toEqual(read)
      expect(await ask(key, 'POST', 'notes')).toEqual(create)
      expect(await ask(key, 'POST', 'pay')).toEqual(pay)
    },
  )

  it('a key that is revoked, has expired or is mistyped is nobody', async () => {
    const { key, record } = await joint.product.key(acme, { profile: 'read-only' })
    expect(await ask(key, 'GET', 'notes')).toEqual([200])
    await joint.product.revokeKey(acme, record.id)
    expect((await ask(key, 'GET', 'notes')).slice(0, 2)).toEqual([401, 'INVALID_TOKEN'])
    const short = await joint.product.key(acme, {
      profile: 'read-only',
      expiresAt: new Date(Date.now() + 3_600_000),
    })
    expect(await ask(short.key, 'GET', 'notes')).toEqual([200])
    await joint.product.tenancy.query(acme, `update api_key set expires_at = now() where id = $1`, [
      short.record.id,
    ])
    expect((await ask(short.key, 'GET', 'notes')).slice(0, 2)).toEqual([401, 'TOKEN_EXPIRED'])
    const typo = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
    expect((await ask(typo, 'GET', 'notes')).slice(0, 2)).toEqual([401, 'INVALID_TOKEN'])
  })

  it("a service's token has the rights of the key it stands for, and loses them with it", async () => {
    const { record } = await joint.product.key(acme, { actions: ['notes.item.read'] })
    const token = await joint.product.token(acme, record.id, { type: 'service' })
    expect(await ask(token, 'GET', 'notes')).toEqual([200])
    expect(await ask(token, 'POST', 'notes')).toEqual(forbidden('notes.item.create'))
    await joint.product.revokeKey(acme, record.id)
    expect(await ask(token, 'GET', 'notes')).toEqual(forbidden('notes.item.read'))
  })

  it('a token of a user is no key, and a key no user', async () => {
    const { id } = await someone(['ADM_CLIENTE'])
    const { record } = await joint.product.key(acme, { profile: 'admin' })
    const asService = await joint.product.token(acme, id, { type: 'service' })
    const asUser = await joint.product.token(acme, record.id)
    for (const token of [asService, asUser]) {
      expect(await ask(token, 'GET', 'notes')).toEqual(forbidden('notes.item.read'))
    }
  })

  it('two credentials are one too many', async () => {
    const { token } = await someone(['VIEWER'])
    const [mine, theirs] = [
      await joint.product.key(acme, { profile: 'read-only' }),
      await joint.product.key(globex, { profile: 'read-only' }),
    ]
    const both = async (key: string) => (await ask(token, 'GET', 'notes', { 'x-api-key': key })).slice(0, 2)
    expect(await both(mine.key)).toEqual([400, 'VALIDATION_ERROR'])
    expect(await both(theirs.key)).toEqual([400, 'TENANT_MISMATCH'])
  })

  it('a suspended tenant is refused whoever asks, and so is one that has gone', async () => {
    const { tenancy } = joint.product
    const { token } = await someone(['ADM_CLIENTE'], globex)
    const { key } = await joint.product.key(globex, { profile: 'admin' })
    expect([await ask(token, 'GET', 'notes'), await ask(key, 'GET', 'notes')]).toEqual([[200], [200]])
    await tenancy.suspend(globex)
    try {
      expect(await ask(token, 'GET', 'notes')).toEqual(refused(403, 'TENANT_SUSPENDED'))
      expect((await ask(key, 'GET', 'notes'))[0]).toBe(403)
    } finally {
      await tenancy.resume(globex)
    }
    const gone = parseTenantKey(`gone-${crypto.randomUUID().slice(0, 8)}`)
    await tenancy.provision(gone)
    const late = await someone([], gone)
    await tenancy.drop(gone)
    expect((await ask(late.token, 'GET', 'notes')).slice(0, 2)).toEqual([401, 'TENANT_NOT_FOUND'])
  })

  it('reports at start which actions no route takes; and later what is wider than its tenant', async () => {
    const { tenancy, store } = joint.product
    expect(app.report.unusedActions).toEqual([
      'notes.item.delete',
      'notes.share.manage',
      'billing.invoice.read',
    ])
    const { record } = await joint.product.key(acme, { actions: ['notes.item.read', 'billing.invoice.pay'] })
    const wide = await tenancy.withTenant(acme, (db) => store.wideGrants(db))
    expect(wide.filter(({ name }) => name === record.name)).toEqual([
      { holder: 'key', name: record.name, action: 'billing.invoice.pay', reason: 'not_entitled' },
    ])
  })
})
