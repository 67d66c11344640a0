// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { beforeAll, expect, it } from 'vitest'
import { group, person, refusal } from './support/people.ts'
import { type Onboarded, useWorld } from './support/world.ts'

const world = useWorld()
let acme: Onboarded
let other: Onboarded

beforeAll(async () => {
  acme = await world.onboard('acme')
  other = await world.onboard('other')
})

const send = (method: string, path: string, body?: unknown, { token }: { token: string } = acme) =>
  world.send(method, path, { token, body })

it('keeps the branding of each tenant', async () => {
  const none = { logoUrl: null, primaryColor: null, secondaryColor: null, domain: null, updatedAt: null }
  expect((await send('GET', '/v1/branding')).body.data).toEqual(none)
  const face = {
    logoUrl: 'https://cdn.acme.example/logo.svg?v=2',
    primaryColor: '#aa00ff',
    secondaryColor: null,
    domain: 'app.acme.example',
  }
  expect((await send('PUT', '/v1/branding', face)).body.data).toMatchObject(face)
  const next = { ...face, logoUrl: null, primaryColor: '#000000' }
  await send('PUT', '/v1/branding', next)
  expect((await send('GET', '/v1/branding')).body.data).toMatchObject(next)
  expect((await send('GET', '/v1/branding', undefined, other)).body.data).toEqual(none)
  const { rows } = await world.root.query('select logo_url, primary_color from c_acme.tenant_branding')
  expect(rows).toEqual([{ logo_url: null, primary_color: '#000000' }])
  for (const bad of [
    { logoUrl: 'javascript:alert(1)' },
    { logoUrl: 'http://cdn.acme.example/logo.svg' },
    { logoUrl: 'https://cdn.acme.example/"onerror=' },
    { logoUrl: 'https://evil@acme.example/' },
    { logoUrl: `https://cdn.acme.example/${'a'.repeat(2_000)}` },
    { primaryColor: 'red' },
    { primaryColor: '#AA00FF' },
    { domain: 'nul\0.example' },
    { domain: 'no dots' },
    { tenantId: 'other' },
  ]) {
    expect(refusal(await send('PUT', '/v1/branding', { ...face, ...bad })), JSON.stringify(bad)).toEqual([
      400,
      'VALIDATION_ERROR',
    ])
  }
})

it('keeps flags and limits of each tenant, within bounds', async () => {
  expect((await send('GET', '/v1/config')).body.data).toEqual({ flags: {}, limits: {}, updatedAt: null })
  const config = { flags: { 'beta.search': true, dark: false }, limits: { uploads: 10, seats: null } }
  expect((await send('PUT', '/v1/config', config)).body.data).toMatchObject(config)
  expect((await send('GET', '/v1/config')).body.data).toMatchObject(config)
  expect((await send('GET', '/v1/config', undefined, other)).body.data.flags).toEqual({})
  const { rows } = await world.root.query('select flags, limits from c_acme.tenant_config')
  expect(rows).toEqual([config])
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`f${n}`, true]))
  for (const bad of [
    { flags: many },
    { flags: { x: 'yes' } },
    { flags: { 'nul\0': true } },
    { limits: { x: -1 } },
    { limits: { x: 1.5 } },
    { limits: { x: 1e300 } },
    { limits: [] },
    { more: 1 },
  ]) {
    expect(refusal(await send('PUT', '/v1/config', { ...config, ...bad })), JSON.stringify(bad)).toEqual([
      400,
      'VALIDATION_ERROR',
    ])
  }
})

it('seals a secret for its tenant and never shows it', async () => {
  const secret = 'hunter2 hunter2'
  const put = await send('PUT', '/v1/settings/smtp.password', { value: secret })
  expect(put.body.data).toMatchObject({ key: 'smtp.password', value: { masked: true } })
  const list = await send('GET', '/v1/settings')
  expect(list.body.data.map(({ key, value }: { key: string; value: unknown }) => [key, value])).toEqual([
    ['mail.from', null],
    ['smtp.host', null],
    ['smtp.port', null],
    ['smtp.user', null],
    ['smtp.password', { masked: true }],
  ])
  const { rows } = await world.root.query<{ value: string }>(`select value from c_acme.app_settings`)
  expect(rows).toEqual([{ value: expect.stringMatching(/^enc:v1:/) }])
  for (const text of [put.text, list.text, world.log.join('')]) expect(text).not.toContain(secret)
  await world.root.query('insert into c_other.app_settings select * from c_acme.app_settings')
  const stolen = await world.hub.inTenant('other' as never, (db) =>
    world.hub.settings.get(db, 'smtp.password').catch((error: { code: string }) => error.code),
  )
  expect(stolen, 'sealed for acme').toBe('ENVELOPE_UNREADABLE')
})

it('sets, replaces by version and forgets a setting', async () => {
  const put = (value: unknown, more: object = {}) => send('PUT', '/v1/settings/smtp.port', { value, ...more })
  const first = (await put(2525, { ifUpdatedAt: null })).body.data
  expect(first).toMatchObject({ key: 'smtp.port', value: 2525 })
  expect((await put(465, { ifUpdatedAt: first.updatedAt })).body.data).toMatchObject({ value: 465 })
  expect(refusal(await put(25, { ifUpdatedAt: first.updatedAt })), 'changed meanwhile').toEqual([
    409,
    'CONFLICT',
  ])
  expect(refusal(await put(25, { ifUpdatedAt: null })), 'set already').toEqual([409, 'CONFLICT'])
  const stored = () => world.root.query(`select value from c_acme.app_settings where key = 'smtp.port'`)
  expect((await stored()).rows).toEqual([{ value: '465' }])
  expect((await send('DELETE', '/v1/settings/smtp.port')).status).toBe(204)
  expect((await stored()).rows).toEqual([])
  expect(refusal(await send('DELETE', '/v1/settings/smtp.port'))).toEqual([404, 'NOT_FOUND'])
})

it('refuses settings that are none, and values that do not fit, without repeating them', async () => {
  for (const key of ['smtp.unknown', 'constructor', '__proto__x'.replace('__', 'a')]) {
    expect(refusal(await send('PUT', `/v1/settings/${key}`, { value: 'x' })), key).toEqual([404, 'NOT_FOUND'])
  }
  expect(refusal(await send('PUT', '/v1/settings/A%00', { value: 'x' }))).toEqual([400, 'VALIDATION_ERROR'])
  for (const [key, value] of [
    ['smtp.port', 70_000],
    ['smtp.port', 'unrepeatable'],
    ['mail.from', 'unrepeatable'],
    ['smtp.host', 'unrepeatable\0'],
    ['smtp.host', 'unrepeatable'.repeat(50)],
    ['smtp.password', 12],
    ['smtp.host', { unrepeatable: true }],
    ['smtp.host', undefined],
  ] as const) {
    const answer = await send('PUT', `/v1/settings/${key}`, { value })
    expect(refusal(answer), `${key} ${JSON.stringify(value)}`).toEqual([400, 'VALIDATION_ERROR'])
    expect(`${answer.text}${world.log.join('')}`).not.toContain('unrepeatable')
  }
})

it('asks for an action each', async () => {
  const bo = await person(world, acme, 'bo')
  await group(world, acme.token, 'Only branding', ['account.branding.read'], [bo])
  const got = await Promise.all(
    ['/v1/branding', '/v1/config', '/v1/settings'].map(
      async (path) => (await send('GET', path, undefined, bo)).status,
    ),
  )
  expect(got).toEqual([200, 403, 403])
  expect(refusal(await send('PUT', '/v1/settings/smtp.host', { value: 'x' }, bo))).toEqual([
    403,
    'FORBIDDEN_ACTION',
  ])
  expect(refusal(await send('DELETE', '/v1/settings/smtp.host', undefined, bo))).toEqual([
    403,
    'FORBIDDEN_ACTION',
  ])
})
