import { inspect } from 'node:util'
import type { SendMail } from '@org/example-hono/mail'
import type { SiteSettings } from '@org/example-hono/settings'
import type { Tenancy } from '@org/pg-tenant'
import type { Claims } from './claims.ts'
import { type Answer, type Api, type Call, call, summary } from './client.ts'
import type { Observer } from './observer.ts'
import { dim, line } from './print.ts'
import { until } from './until.ts'

const KEY = 'smtp.password'
const PASSWORD = 'correct horse battery staple'

/** Keeps what the API would have sent, so that the demonstration can see that the secret arrived. */
export function catchMail(): { readonly passwords: readonly string[]; readonly send: SendMail } {
  const passwords: string[] = []
  return { passwords, send: async ({ password }) => void passwords.push(password) }
}

/** What the demonstration of the secret needs. */
export interface SecretScene {
  readonly api: Api
  readonly tenancy: Tenancy
  readonly settings: SiteSettings
  /** the passwords that reached the mail server */
  readonly sent: readonly string[]
  /** what the API has logged */
  readonly logged: readonly object[]
  readonly observer: Observer
  readonly claims: Claims
}

/** A secret from the front door to its row and back, and what becomes of it in another tenant's row. */
export async function showSecret(scene: SecretScene): Promise<void> {
  const { api, tenancy, settings, sent, logged, observer, claims } = scene
  const ask = (path: string, more: Partial<Call> = {}) => call(api, { path, clientKey: 'acme', ...more })
  const put = (key: string, value: string) =>
    ask(`/settings/${key}`, { method: 'PUT', body: { value } }).then(summary)
  const read = (tenant: string) => tenancy.withTenant(tenant, (db) => settings.get(db, KEY))

  line(dim('The key is made up for this run; in production it comes from SETTINGS_ENCRYPTION_KEY'))
  for (const [key, value] of [
    ['smtp.host', 'smtp.acme.example'],
    ['smtp.user', 'acme'],
  ] as const)
    await put(key, value)
  claims.checkAnswer(`acme: PUT /settings/${KEY}`, '200', await put(KEY, PASSWORD))
  const stored = await observer.readSetting('acme', KEY)
  claims.check(stored.startsWith('enc:v1:') && !shows(stored, [PASSWORD]), 'what a superuser reads', stored)
  const listed = await ask('/settings')
  const { value } = (listed.body.data as Record<string, { value: unknown }>)[KEY] ?? {}
  claims.check(
    JSON.stringify(value) === '{"masked":true}' && !shows(listed, [PASSWORD, stored]),
    'GET /settings',
    JSON.stringify(value),
  )
  claims.checkAnswer(`settings.get(db, '${KEY}') in a scope of acme`, PASSWORD, (await read('acme')) ?? '')
  const mailed: Answer = await ask('/notes/1/mail', { method: 'POST' })
  // By the worker, once it is committed.
  await until(
    () => sent.length,
    (mails) => mails > 0,
  )
  claims.check(
    mailed.status === 202 && sent.at(-1) === PASSWORD && !shows(mailed, [PASSWORD, stored]),
    'POST /notes/1/mail: sent by the outbox, not in the answer',
    JSON.stringify(mailed.body.data),
  )
  await observer.copySettings('acme', 'globex')
  const error: unknown = await read('globex').catch((reason: unknown) => reason)
  claims.checkAnswer(
    "copied into globex's row by a superuser, read there",
    'ENVELOPE_UNREADABLE',
    error instanceof Error && 'code' in error ? String(error.code) : 'it opened',
  )
  claims.check(
    error instanceof Error && !shows(error, [PASSWORD, stored]),
    'in that error, its cause and its stack',
    'neither the password nor what is stored',
  )
  claims.check(
    logged.length > 0 && !shows(logged, [PASSWORD, stored, api.siteKey]),
    `in the ${logged.length} lines the API has logged`,
    "nor the site's key",
  )
}

/** Whether anything of `value`, hidden properties included, has one of the texts in it, as it is or in base64. */
function shows(value: unknown, texts: readonly string[]): boolean {
  const everything = inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    breakLength: Infinity,
  })
  return texts.some((text) =>
    [text, Buffer.from(text).toString('base64').slice(0, -4)].some((form) => everything.includes(form)),
  )
}
