import type { WorkerCounts } from '@org/governance/outbox/worker'
import { eventually } from '@org/pg-testing'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { mail, postOffice, type SendMail } from '../src/mail.ts'
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
  const { app } = testApp(world().tenancy, { settings, log })
  const headers = { ...asSite(tenant), 'Content-Type': 'application/json' }
  const response = await app.request(path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

/** What the worker does, until nothing is left to do. */
const post = () => {
  const log = (record: object) => void logged.push(record)
  return postOffice(world(), { settings, send, log })
}
/** Works until it is so: an event is seen when nothing older is open anywhere in the server, which other tests have too. */
const worked = (until: (done: WorkerCounts) => unknown) =>
  eventually(async () => Boolean(await until(await post().drain())))
const waiting = async () =>
  (await world().root.query('select tenant, reason from site.outbox_dead order by tenant')).rows

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
  it('is sent by the worker, once, with the password of its tenant, which no answer and no event shows', async () => {
    await configure('acme')
    const { status, text } = await ask('acme', 'POST', '/notes/1/mail')
    expect([status, JSON.parse(text).data]).toEqual([
      202,
      { id: 1, wouldSendVia: 'smtp.acme.example', as: 'acme' },
    ])
    expect(send, 'no request waits for a mail server').not.toHaveBeenCalled()
    const { rows } = await world().root.query(
      'select tenant, payload from site.outbox where payload is not null',
    )
    expect(rows).toContainEqual({ tenant: 'acme', payload: { id: 1 } })
    await worked(() => send.mock.calls.length > 0)
    await post().drain()
    expect(send.mock.calls).toEqual([
      [{ host: 'smtp.acme.example', user: 'acme', password: PASSWORD }, "acme's", expect.any(String)],
    ])
  })

  it('is not sent when what asked for it is not committed', async () => {
    await configure('acme')
    const { tenancy } = world()
    const lost = tenancy.withTenant('acme', async (db) => {
      await mail.publish(db, 'note.mail', { id: 1 })
      throw new Error('rolled back')
    })
    await expect(lost).rejects.toThrow('rolled back')
    await post().drain()
    expect(send).not.toHaveBeenCalled()
  })

  it('that fails is tried again under the same id, and the log says nothing of what it failed with', async () => {
    await configure('acme')
    send.mockRejectedValueOnce(new Error(`535 login failed: acme ${PASSWORD}`))
    expect((await ask('acme', 'POST', '/notes/1/mail')).status).toBe(202)
    await worked(({ retried, dead }) => retried === 1 && dead === 0)
    expect(logged).toContainEqual(
      expect.objectContaining({
        code: 'INTERNAL_ERROR',
        at: expect.stringMatching(/^at /),
        tenantId: 'acme',
      }),
    )
    expect(JSON.stringify(logged)).not.toMatch(/correct|535 login/)
  })

  it('needs a note and all three settings, now and when it is sent', async () => {
    expect((await ask('acme', 'POST', '/notes/1/mail')).status).toBe(409)
    await configure('acme')
    expect((await ask('acme', 'POST', '/notes/2/mail')).status).toBe(404)
    expect((await ask('globex', 'POST', '/notes/1/mail')).status).toBe(409)
    expect((await ask('acme', 'POST', '/notes/1/mail')).status).toBe(202)
    expect((await ask('acme', 'DELETE', '/notes/1')).status).toBe(204)
    await worked(async () => (await waiting()).some(({ reason }) => reason === 'NO_LONGER_THERE'))
    expect(send).not.toHaveBeenCalled()
    expect(await waiting()).toContainEqual({ tenant: 'acme', reason: 'NO_LONGER_THERE' })
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
    expect(status).toBe(202)
    await worked(() => JSON.stringify(logged).includes('ENVELOPE_UNREADABLE'))
    const log = JSON.stringify(logged)
    expect(log).toContain('ENVELOPE_UNREADABLE')
    for (const shown of [text, log])
      for (const secret of [PASSWORD, sealed.slice(7), identity.credentials.siteKey])
        expect(shown).not.toContain(secret)
    expect(send).not.toHaveBeenCalled()
  })
})
