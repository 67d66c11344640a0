import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { useWorld } from './support/world.ts'

const world = useWorld()
const CANARY = `canary${randomUUID().replaceAll('-', '')}`

// One word that is a secret, a personal fact or a parameter wherever it is sent; it may be where a tenant keeps its own data, sealed
// where it is a secret, and nowhere else.

it('what is sent to the hub is in no log line, metric, error, event, entry or kept answer', async () => {
  const email = `${CANARY}@example.com`
  const { token, refreshToken } = await world.onboard('acme', { email })
  const headers = { 'Idempotency-Key': `k-${CANARY.slice(0, 8)}` }
  const send = (method: string, path: string, body?: unknown, more = headers) =>
    world.send(method, path, { token, body, headers: more })
  const answers = [
    await send('PUT', '/v1/settings/smtp.password', { value: CANARY }),
    await send('POST', '/v1/integration-credentials', {
      provider: 'stripe',
      data: { key: CANARY, [CANARY]: 1 },
    }),
    await send('POST', '/v1/integration-credentials', { provider: CANARY.repeat(3), data: { key: CANARY } }),
    await send('POST', '/v1/users', { email: `b${email}`, name: CANARY }),
    await send('POST', '/v1/users', { email: `b${email}`, name: CANARY }, { 'Idempotency-Key': 'again' }),
    await send('POST', '/v1/users', { email: CANARY, name: 7 }),
    await send('POST', '/v1/webhooks', { url: `https://10.0.0.1/${CANARY}`, events: ['user.created'] }),
    // A path is a field of every log line, as it was sent: no route has anything in it but ids.
    await send('GET', `/v1/users?q=${CANARY}%00&limit=${CANARY}`),
    await world.send('POST', '/v1/auth/login', { tenant: 'acme', body: { email, password: CANARY } }),
    await world.send('GET', '/v1/me', { token: `${token.slice(0, -9)}${CANARY}` }),
    await world.send('POST', '/v1/groups', { token, body: `{"name":"${CANARY}` }),
  ]
  const errors = answers.filter(({ status }) => status >= 400)
  expect(errors.length, 'errors of several kinds').toBeGreaterThan(5)
  for (const { text } of errors) expect(text).not.toContain(CANARY)

  const metrics = await world.send('GET', '/metrics', {
    headers: { Authorization: `Bearer ${world.config.METRICS_TOKEN}` },
  })
  const kept = await allText(['governance', 'hub', 'rbac', 'tenancy'])
  const answersKept = await allText(
    ['c_acme'],
    ['idempotency_key', 'app_settings', 'integration_credential', 'webhook_message', 'webhook_delivery'],
  )
  const told = { log: world.log.join('\n'), metrics: metrics.text, kept, answersKept }
  for (const [where, text] of Object.entries(told)) {
    expect(text.length, where).toBeGreaterThan(100)
    for (const secret of [CANARY, token, refreshToken])
      expect(text.includes(secret), `${where} has it`).toBe(false)
  }
  expect(await allText(['c_acme'], ['user']), 'the tenant’s own data has it').toContain(CANARY)
})

async function allText(schemas: readonly string[], only?: readonly string[]): Promise<string> {
  const { rows } = await world.root.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
      where c.relkind in ('r', 'p') and not c.relispartition and ($2::text[] is null or c.relname = any ($2))
        and exists (select from pg_namespace n where n.oid = c.relnamespace
          and (n.nspname = any ($1) or n.nspname like '%acme' and 'c_acme' = any ($1)))`,
    [schemas, only ?? null],
  )
  const texts: string[] = []
  for (const { name } of rows) {
    const found = await world.root.query<{ all: string | null }>(
      `select string_agg(t::text, chr(10)) as all from ${name} t`,
    )
    texts.push(found.rows[0]?.all ?? '')
  }
  return texts.join('\n')
}
