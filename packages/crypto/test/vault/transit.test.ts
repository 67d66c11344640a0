import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDataKeys } from '../../src/keys/data-keys.ts'
import { dataKeyMigration } from '../../src/keys/sql.ts'
import { type VaultOptions, vaultTransit } from '../../src/vault/index.ts'
import { PLACE, thrown } from '../envelope/places.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { type FakeVault, startFakeVault, TOKEN } from './fake-vault.ts'

const world = useWorld([])
let vault: FakeVault
beforeAll(async () => {
  vault = await startFakeVault()
  await world.root.query(dataKeyMigration().sql)
})
afterAll(() => vault.close())

const place = { tenant: 'acme', table: 'tenant_data_key', name: '0123456789abcdef' }
const dataKey = randomBytes(32)
const signal = new AbortController().signal
const wrapper = (options: Partial<VaultOptions> = {}) =>
  vaultTransit({ address: vault.url, key: 'tenants', token: () => TOKEN, ...options })
/** Everything that a log of `error` could show. */
const said = (error: unknown): string =>
  [(error as Error).stack, JSON.stringify(error), String((error as Error).cause)].join('\n')

describe('Vault Transit', () => {
  it('wraps and unwraps a key, bound to its place', async () => {
    const wrapped = await wrapper().wrap(dataKey, place, { signal })
    expect(wrapped).toMatch(/^vault:v1:/)
    expect(Buffer.from(await wrapper().unwrap(wrapped, place, { signal }))).toEqual(dataKey)
    for (const other of [
      { ...place, tenant: 'globex' },
      { ...place, name: 'fedcba9876543210' },
    ]) {
      const error = await wrapper()
        .unwrap(wrapped, other, { signal })
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ENVELOPE_UNREADABLE' })
      expect(said(error)).not.toContain(wrapped.slice(9))
    }
  })

  it('speaks as the API is published', async () => {
    vault.seen.length = 0
    await wrapper({ namespace: 'team/a', token: async () => TOKEN }).wrap(dataKey, place, { signal })
    const [request] = vault.seen
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v1/transit/encrypt/tenants',
      headers: { 'x-vault-token': TOKEN, 'x-vault-namespace': 'team/a', 'x-vault-request': 'true' },
      body: { plaintext: dataKey.toString('base64') },
    })
    const bound = Buffer.from(request?.body.associated_data ?? '', 'base64').toString('latin1')
    expect(bound).toBe(`@org/crypto transit\0\0\0\x04acme\0\0\0\x0ftenant_data_key\0\0\0\x10${place.name}`)
    expect(request?.body.context).toBe(request?.body.associated_data)
    await codeOf(wrapper({ mount: 'kms/transit', key: 'a.b' }).wrap(dataKey, place, { signal }))
    expect(vault.seen.at(-1)?.path).toBe('/v1/kms/transit/encrypt/a.b')
    await codeOf(wrapper({ address: `${vault.url}/behind/proxy/` }).wrap(dataKey, place, { signal }))
    expect(vault.seen.at(-1)?.path).toBe('/behind/proxy/v1/transit/encrypt/tenants')
  })

  it.each([
    ['sealed', { status: 503, body: '{"errors":["Vault is sealed"]}' }],
    ['a standby', { status: 473 }],
    ['too many requests', { status: 429 }],
    ['another path', { status: 404 }],
    ['no answer in JSON', { status: 200, body: '<html>' }],
    ['no data', { status: 200, body: '{}' }],
    ['null', { status: 200, body: 'null' }],
    ['data of another kind', { status: 200, body: '{"data":{"ciphertext":7,"plaintext":7}}' }],
    ['a key in clear', { status: 200, body: `{"data":{"ciphertext":"${dataKey.toString('base64')}"}}` }],
    [
      'inherited names',
      { status: 200, body: '{"data":{"__proto__":{"ciphertext":"vault:v1:x","plaintext":"x"}}}' },
    ],
  ])('%s: KEY_SERVICE_UNAVAILABLE, and nothing of it in the error', async (_, answer) => {
    for (const action of ['wrap', 'unwrap'] as const) {
      vault.next = answer
      const call =
        action === 'wrap'
          ? wrapper().wrap(dataKey, place, { signal })
          : wrapper().unwrap('vault:v1:AAAA', { ...place, name: 'n' }, { signal })
      const error = await call.catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'KEY_SERVICE_UNAVAILABLE', details: { service: 'vault' } })
      for (const secret of [TOKEN, dataKey.toString('base64'), 'vault:v1:', vault.url])
        expect(said(error)).not.toContain(secret)
    }
  })

  it('a wrong token, one that is no header, or a function that fails: not in the error', async () => {
    const tokens = ['hvs.stolen', 'hvs.line\nbreak', '', 7 as never]
    for (const token of tokens) {
      const error = await wrapper({ token: () => token })
        .wrap(dataKey, place, { signal })
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'KEY_SERVICE_UNAVAILABLE' })
      expect(said(error)).not.toMatch(/hvs\./)
    }
    const failing = wrapper({ token: () => Promise.reject(new Error(`no ${TOKEN}`)) })
    const error = await failing.unwrap('vault:v1:x', place, { signal }).catch((reason: unknown) => reason)
    expect(said(error)).not.toContain(TOKEN)
  })

  it('never follows a redirect with the token', async () => {
    const thief = await startFakeVault()
    vault.next = { status: 307, headers: { location: `${thief.url}/v1/transit/encrypt/tenants` } }
    const error = await wrapper()
      .wrap(dataKey, place, { signal })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'KEY_SERVICE_UNAVAILABLE', details: { status: 307 } })
    expect(thief.seen).toEqual([])
    await thief.close()
  })

  it('gives up when the time is up, its own or the caller’s, and when nobody listens', async () => {
    // Each its own: on a busy machine a request arrives after its caller has given up, and is not to meet the next one.
    const [first, second] = [await startFakeVault(), await startFakeVault()]
    first.next = 'hang'
    expect(
      await codeOf(wrapper({ address: first.url, timeoutMs: 20 }).wrap(dataKey, place, { signal })),
    ).toBe('KEY_SERVICE_UNAVAILABLE')
    second.next = 'hang'
    const short = { signal: AbortSignal.timeout(20) }
    const patient = wrapper({ address: second.url, timeoutMs: 60_000 })
    expect(await codeOf(patient.wrap(dataKey, place, short))).toBe('KEY_SERVICE_UNAVAILABLE')
    await Promise.all([first.close(), second.close()])
    const closed = await startFakeVault()
    await closed.close()
    expect(await codeOf(wrapper({ address: closed.url }).wrap(dataKey, place, { signal }))).toBe(
      'KEY_SERVICE_UNAVAILABLE',
    )
  })
})

it.each<[string, object]>([
  ['address', { address: 'http://vault.internal:8200' }],
  ['address', { address: 'http://127.0.0.1.example.com' }],
  ['address', { address: 'https://user:hvs.secret@vault.internal' }],
  ['address', { address: 'https://vault.internal/?token=hvs.secret' }],
  ['address', { address: 'file:///etc/passwd' }],
  ['address', { address: 'vault' }],
  ['key', { key: '../../sys/seal' }],
  ['key', { key: '' }],
  ['mount', { mount: '../sys' }],
  ['mount', { mount: '/transit' }],
  ['mount', { mount: 'a/../b' }],
  ['namespace', { namespace: 'a\r\nx-evil: 1' }],
  ['token', { token: 'hvs.secret' }],
  ['timeoutMs', { timeoutMs: 0 }],
])('refuses the option %s: %j', (option, odd) => {
  const error = thrown(() => wrapper(odd as never))
  expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option } })
  expect(error.message).not.toContain('hvs.')
})

it.each(['https://vault.internal:8200', 'http://localhost:8200', 'http://[::1]:8200/', 'http://127.0.0.2'])(
  'takes the address %s',
  (address) => {
    expect(wrapper({ address })).toBeDefined()
  },
)

describe('data keys in Vault', () => {
  it('tenants’ secrets, with a Vault that binds and with one that ignores it', async () => {
    for (const ignoresBinding of [false, true]) {
      vault.ignoresBinding = ignoresBinding
      const [mine, theirs] = [`a${Number(ignoresBinding)}`, `b${Number(ignoresBinding)}`]
      const keys = () => createDataKeys({ db: world.root, wrapper: wrapper() })
      const own = { ...PLACE, tenant: mine }
      const sealed = (await keys().forTenant(mine)).seal('hush', own)
      await keys().forTenant(theirs)
      expect((await keys().forTenant(mine)).open(sealed, own)).toBe('hush')
      await world.root.query(
        'update tenant_data_key set keys = (select keys from tenant_data_key where tenant = $1) where tenant = $2',
        [mine, theirs],
      )
      expect(await codeOf(keys().forTenant(theirs))).toBe('ENVELOPE_UNREADABLE')
    }
    vault.ignoresBinding = false
  })
})
