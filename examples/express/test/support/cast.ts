import { expect } from 'vitest'
import type { Names } from './known.ts'
import { group, groupId, person, USER_PASSWORD } from './people.ts'
import type { Sender } from './requests.ts'
import { type Onboarded, PASSWORD, type World } from './world.ts'

/** Who acts and what there is while the fuzzer runs. Tenants, users and groups are there to be ruined. */
export interface Cast {
  readonly names: Names
  /** The tenant that the requests without a token name. */
  readonly slug: string
  /** The credential of a request to an operation, if it has one. */
  credential(sender: Sender, operatorsOnly: boolean): string | undefined
}

/** Somebody of a tenant that is suspended. */
export async function suspendedToken(world: World): Promise<string> {
  const { slug, token } = await world.onboard('asleep')
  await ok(world, world.operator, 'PATCH', `/v1/tenants/${slug}`, { status: 'suspended' })
  return token
}

/**
 * Makes a cast.
 *
 * @param suspended see {@link suspendedToken}
 * @param ruins how many tenants are needed to be ruined
 */
export async function makeCast(
  world: World,
  number: number,
  suspended: string,
  ruins: number,
): Promise<Cast> {
  // Tenants are made on it, and the cast before may have left it without a single user or call.
  const roomy = { name: 'Starter', limits: { max_users: 25, max_storage_gb: 5, max_api_calls: 100_000 } }
  await ok(world, world.operator, 'PUT', '/v1/plans/starter', roomy)
  const acting = await world.onboard(`acting${number}`)
  const operator = await newOperator(world, number)
  const weak = await person(world, acting, 'weak')
  const token = acting.token
  const key = await ok(world, token, 'POST', '/v1/api-keys', { name: 'Reader', profile: 'read-only' })
  const names = {
    ...(await thingsOf(world, acting, operator, number)),
    tenants: [acting.slug, ...(await tenantsToRuin(world, operator, number, ruins))],
  }
  return {
    names,
    slug: acting.slug,
    credential: (sender, operatorsOnly) => {
      switch (sender) {
        case 'who may':
          return operatorsOnly ? operator : token
        case 'somebody':
          return operatorsOnly ? token : weak.token
        case 'a key':
          return key.data.key
        case 'a suspended tenant':
          return suspended
        case 'nobody':
          return undefined
        case 'an impostor':
          return `${token.slice(0, -8)}AAAAAAAA`
      }
    },
  }
}

/** A login of its own, so that ending it ends nobody else's. */
async function newOperator(world: World, number: number): Promise<string> {
  const platform: Onboarded = { slug: 'platform', token: world.operator, refreshToken: '', adminId: '' }
  const { id, token } = await person(world, platform, `operator${number}`)
  const admins = await groupId(world, 'platform', 'ADM_CLIENTE')
  await world.send('POST', `/v1/groups/${admins}/users/${id}`, { token: world.operator })
  return token
}

async function thingsOf(world: World, acting: Onboarded, operator: string, number: number) {
  const { slug, token } = acting
  const people = await Promise.all(['u1', 'u2'].map((name) => person(world, acting, name)))
  const groups = [
    await group(world, token, 'One', ['account.me.read'], people),
    await group(world, token, 'Two', []),
  ]
  const permissions = await ok(world, token, 'GET', `/v1/groups/${groups[0]}/permissions`)
  const invited = await Promise.all(
    ['i1', 'i2'].map((name) =>
      ok(world, token, 'POST', '/v1/users', { email: `${name}@${slug}.example`, name }),
    ),
  )
  const keys = await Promise.all(
    ['k1', 'k2'].map((name) =>
      ok(world, token, 'POST', '/v1/api-keys', { name, actions: ['account.me.read'] }),
    ),
  )
  for (const [key, value] of [['smtp.host', 'mail.example'] as const, ['smtp.port', 25] as const]) {
    await ok(world, token, 'PUT', `/v1/settings/${key}`, { value })
  }
  await ok(world, token, 'POST', '/v1/integration-credentials', { provider: 'stripe', data: { key: 'sk' } })
  const hook = await ok(world, token, 'POST', '/v1/webhooks', { url: URLS[0], events: ['*'] })
  const webhook: string = hook.data.webhook.id
  const sent = await ok(world, token, 'POST', `/v1/webhooks/${webhook}/test`)
  const tool = `tool${number}`
  await ok(world, operator, 'POST', '/v1/catalog/tools', { key: tool, name: 'Tool' })
  await ok(world, operator, 'POST', '/v1/catalog/packages', { key: `pack${number}`, name: 'Pack' })
  return {
    users: [...people.map(({ id }) => id), ...invited.map(({ data }) => data.user.id)],
    groups,
    permissions: permissions.data.map(({ id }: { id: string }) => id),
    apiKeys: keys.map(({ data }) => data.apiKey.id),
    packages: ['essentials', `pack${number}`, 'platform'],
    plans: ['starter', `plan${number}`],
    tools: [tool, 'identity'],
    newActions: ['read', 'write', 'fly'].map((verb) => `${tool}.thing.${verb}`),
    providers: ['stripe'],
    credentials: ['default'],
    moments: ['2030-01-01T00:00:00Z'],
    settings: ['smtp.host', 'smtp.password', 'smtp.port', 'mail.from'],
    actions: ['account.me.read', 'identity.users.read', 'account.branding.read'],
    resources: ['max_storage_gb', 'max_users'],
    emails: people.map(({ email }) => email),
    passwords: [USER_PASSWORD, PASSWORD],
    refreshTokens: people.map(({ refreshToken }) => refreshToken),
    invitations: invited.map(({ data }) => data.invitation.token),
    cursors: ['created_at:desc', 'created_at:asc'].map(cursor),
    webhooks: [webhook],
    deliveries: [sent.data.deliveryId],
    events: ['*', 'user.created', 'group.permission.changed'],
    urls: URLS,
    adminKeys: [String(world.config.PROVISION_ADMIN_KEY)],
  }
}

const URLS = ['https://example.com/hooks', 'https://hooks.example.org/a?b=c']

/** As lists give them out. */
function cursor(sort: string): string {
  return Buffer.from(JSON.stringify([sort, '2026-01-01 00:00:00+00', 'x'])).toString('base64url')
}

async function tenantsToRuin(
  world: World,
  operator: string,
  number: number,
  count: number,
): Promise<string[]> {
  const slugs = Array.from({ length: count }, (_, at) => `ruin${number}x${at}`)
  for (const slug of slugs) {
    const adminUser = { email: `ana@${slug}.example`, name: 'Ana' }
    await ok(world, operator, 'POST', '/v1/tenants', {
      slug,
      name: slug,
      packageKey: 'essentials',
      adminUser,
    })
  }
  return slugs
}

async function ok(world: World, token: string, method: string, path: string, body?: unknown) {
  const answer = await world.send(method, path, { token, body })
  expect(answer.status, `${method} ${path} ${answer.text}`).toBeLessThan(300)
  return answer.body
}
