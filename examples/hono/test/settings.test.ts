import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { SendMail } from '../src/notes.ts'
import { asSite, identity, testApp, testSettings, useTenancy } from './support/world.ts'

const PASSWORD = 'correct horse battery staple'
const SMTP = { 'smtp.host': 'smtp.acme.example', 'smtp.user': 'acme', 'smtp.password': PASSWORD }

const world = useTenancy(['acme', 'globex'])
const settings = testSettings()
const send = vi.fn<SendMail>()
let logged: object[] = []

beforeEach(async () => {
  send.mockReset()
  logged = []
  for (const tenant of ['acme', 'globex'])
    await world().root.query(
      `truncate c_${tenant}.app_settings; truncate c_${tenant}.notes restart identity;
       insert into c_${tenant}.notes (body) values ('${tenant}''s')`,
    )
})

async function ask(tenant: string, method: string, path: string, body?: unknown) {
  const log = (record: object) => void logged.push(record)
  const { app } = testApp(world().tenancy, { settings, send, log })
  const headers = { ...asSite(tenant), 'Content-Type': 'application/json' }
  const response = await app.request(path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

const put = (tenant: string, key: string, value: unknown) => ask(tenant, 'PUT', `/settings/${key}`, { value })

async function configure(tenant: string): Promise<void> {
  for (const [key, value] of Object.entries(SMTP)) expect((await put(tenant, key, value)).status).toBe(200)
}

async function stored(tenant: string): Promise<Record<string, string>> {
  const { rows } = await world().root.query(`select key, value from c_${tenant}.app_settings`)
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

describe('settings', () => {
  it('are stored as they are, and the password sealed', async () => {
    await configure('acme')
    expect(await stored('acme')).toEqual({
      'smtp.host': '"smtp.acme.example"',
      'smtp.user': '"acme"',
      'smtp.password': expect.stringMatching(/^enc:v1:[A-Za-z0-9+/]+=*$/),
    })
    expect(await stored('globex')).toEqual({})
  })

  it('are listed with the password masked', async () => {
    await configure('acme')
    const { status, text } = await ask('acme', 'GET', '/settings')
    expect([status, JSON.parse(text).data]).toMatchObject([
      200,
      { 'smtp.host': { value: 'smtp.acme.example' }, 'smtp.password': { value: { masked: true } } },
    ])
    expect(text).not.toMatch(/enc:v1|correct/)
    expect((await ask('globex', 'GET', '/settings')).text).toBe('{"data":{}}')
  })

  it.each([
    ['smtp.password', 7],
    ['smtp.password', ''],
    ['smtp.password', `${PASSWORD}\nDATA`],
    ['smtp.password', 'x'.repeat(256)],
    ['smtp.host', 'a\u0000b'],
  ])('refuse for %s what is no line of text', async (key, value) => {
    const { status, text } = await put('acme', key, value)
    expect([status, JSON.parse(text).error.code]).toEqual([400, 'VALIDATION_ERROR'])
    expect(text).not.toContain(PASSWORD)
    expect(await stored('acme')).toEqual({})
  })

  it.each(['smtp.port', '__proto__', 'constructor'])('do not know %s', async (key) => {
    expect((await put('acme', key, 'x')).status).toBe(404)
    expect(await stored('acme')).toEqual({})
  })
})

describe('mail', () => {
  it('gets the password of its tenant, which no answer shows', async () => {
    await configure('acme')
    const { status, text } = await ask('acme', 'POST', '/notes/1/mail')
    expect([status, JSON.parse(text).data]).toEqual([
      202,
      { id: 1, wouldSendVia: 'smtp.acme.example', as: 'acme' },
    ])
    expect(send.mock.calls).toEqual([
      [{ host: 'smtp.acme.example', user: 'acme', password: PASSWORD }, "acme's"],
    ])
  })

  it('that fails says nothing of what it failed with, neither in the answer nor in the log', async () => {
    await configure('acme')
    send.mockRejectedValue(new Error(`535 login failed: acme ${PASSWORD}`))
    const { status, text } = await ask('acme', 'POST', '/notes/1/mail')
    expect([status, JSON.parse(text).error.code]).toEqual([500, 'INTERNAL_ERROR'])
    expect(logged).toContainEqual(
      expect.objectContaining({
        code: 'INTERNAL_ERROR',
        at: expect.stringMatching(/^at /),
        tenantId: 'acme',
      }),
    )
    expect(text + JSON.stringify(logged)).not.toMatch(/correct|535/)
  })

  it('needs a note and all three settings', async () => {
    expect((await ask('acme', 'POST', '/notes/1/mail')).status).toBe(409)
    await configure('acme')
    expect((await ask('acme', 'POST', '/notes/2/mail')).status).toBe(404)
    expect((await ask('globex', 'POST', '/notes/1/mail')).status).toBe(409)
    expect(send).not.toHaveBeenCalled()
  })

  it.each([
    ['globex', 'acme'],
    ['acme', 'globex'],
  ])("is not sent as %s with the password that was copied from %s's row", async (thief, owner) => {
    await configure(thief)
    await configure(owner)
    const { 'smtp.password': sealed = '' } = await stored(owner)
    await world().root.query(`update c_${thief}.app_settings set value = $1 where key = 'smtp.password'`, [
      sealed,
    ])
    const { status, text } = await ask(thief, 'POST', '/notes/1/mail')
    const log = JSON.stringify(logged)
    expect([status, Object.keys(JSON.parse(text).error)]).toEqual([500, ['code', 'message', 'requestId']])
    expect(log).toContain('ENVELOPE_UNREADABLE')
    for (const shown of [text, log])
      for (const secret of [PASSWORD, sealed.slice(7), identity.credentials.siteKey])
        expect(shown).not.toContain(secret)
    expect(send).not.toHaveBeenCalled()
  })
})
