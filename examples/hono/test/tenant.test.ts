import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createApp } from '../src/app.ts'
import { testSettings, useTenancy } from './support/world.ts'

const world = useTenancy(['acme', 'globex'])

beforeAll(async () => {
  for (const tenant of ['acme', 'globex'])
    await world().tenancy.query(tenant, 'insert into notes (body) values ($1)', [tenant])
})

async function ask(headers: Record<string, string>, tenancy: Tenancy = world().tenancy) {
  const response = await createApp(tenancy, testSettings()).request('/notes', { headers })
  const body = (await response.json()) as { data?: { body: string }[]; error?: { code: string } }
  return `${response.status} ${body.error?.code ?? body.data?.map((note) => note.body)}`
}

describe('the tenant of a request', () => {
  it.each([
    ['the header', { 'X-Client-Key': 'acme' }],
    ['the subdomain', { Host: 'acme.localhost' }],
    ['the subdomain, with a port', { Host: 'acme.localhost:8787' }],
    ['both, when they agree', { 'X-Client-Key': 'acme', Host: 'acme.localhost:8787' }],
    ['the header, at a host without a tenant', { 'X-Client-Key': 'acme', Host: 'localhost:8787' }],
  ])('is taken from %s', async (_, headers) => {
    expect(await ask(headers)).toBe('200 acme')
  })

  it('is refused when header and subdomain disagree, whichever comes first', async () => {
    expect(await ask({ 'X-Client-Key': 'acme', Host: 'globex.localhost' })).toBe('400 TENANT_MISMATCH')
    expect(await ask({ 'X-Client-Key': 'globex', Host: 'acme.localhost' })).toBe('400 TENANT_MISMATCH')
  })

  it.each([
    ['nothing', {}],
    ['a host that only ends alike', { Host: 'acmelocalhost' }],
    ['a base domain further right', { Host: 'acme.localhost.evil.example' }],
    ['a forwarded host', { 'X-Forwarded-Host': 'acme.localhost' }],
  ])('is missing with %s', async (_, headers) => {
    expect(await ask(headers)).toBe('401 UNAUTHORIZED')
  })

  it.each([
    'ACME',
    '../x',
    'c_acme"; drop schema c_acme cascade; --',
    'acme, globex',
    'acme-',
    'a'.repeat(62),
    '',
  ])('is never guessed from a malformed key: %s', async (key) => {
    expect(await ask({ 'X-Client-Key': key })).toBe('400 INVALID_TENANT_KEY')
  })

  it.each(['ACME.localhost', 'a.acme.localhost', '.localhost', '[acme].localhost'])(
    'is never guessed from a malformed subdomain: %s',
    async (host) => {
      expect(await ask({ Host: host })).toBe('400 INVALID_TENANT_KEY')
    },
  )

  it('is refused when one of two names is malformed', async () => {
    expect(await ask({ 'X-Client-Key': 'acme', Host: 'ACME.localhost' })).toBe('400 INVALID_TENANT_KEY')
    expect(await ask({ 'X-Client-Key': 'ACME', Host: 'acme.localhost' })).toBe('400 INVALID_TENANT_KEY')
  })

  it('must exist', async () => {
    expect(await ask({ 'X-Client-Key': 'initech' })).toBe('401 TENANT_NOT_FOUND')
    expect(await ask({ Host: 'initech.localhost' })).toBe('401 TENANT_NOT_FOUND')
  })

  it('stays the one it was: a handler that asks for another is refused', async () => {
    const { tenancy, pool, rolePrefix } = world()
    const straying = createTenancy({ pool, rolePrefix })
    const query: Tenancy['query'] = (_key: string, text: never, ...rest: never[]) =>
      straying.query('globex', text, ...rest)
    expect(await ask({ 'X-Client-Key': 'globex' }, { ...tenancy, query })).toBe('200 globex')
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
    expect(await ask({ 'X-Client-Key': 'acme' }, { ...tenancy, query })).toMatch(/^500 /)
    expect(String(logged.mock.calls)).toContain('"code":"CROSS_TENANT"')
    logged.mockRestore()
  })
})
