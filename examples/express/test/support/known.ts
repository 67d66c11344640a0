import type { Operation } from './document.ts'

/** What there is to name while the fuzzer runs; each list is looked into when a request is sent, not before. */
export type Names = Record<Kind, string[]>
type Kind =
  | 'users'
  | 'groups'
  | 'permissions'
  | 'apiKeys'
  | 'tenants'
  | 'packages'
  | 'plans'
  | 'tools'
  | 'newActions'
  | 'settings'
  | 'providers'
  | 'credentials'
  | 'moments'
  | 'actions'
  | 'resources'
  | 'emails'
  | 'passwords'
  | 'refreshTokens'
  | 'invitations'
  | 'adminKeys'
  | 'webhooks'
  | 'deliveries'
  | 'events'
  | 'urls'
  | 'cursors'

/** Stands for the `at`-th thing of its kind, or for what the path names. */
export class Known {
  readonly kind: Kind | 'path'
  readonly at: number
  constructor(kind: Kind | 'path', at: number) {
    this.kind = kind
    this.at = at
  }
}

const BY_NAME: Readonly<Record<string, Kind>> = {
  userId: 'users',
  permissionId: 'permissions',
  packageKey: 'packages',
  planKey: 'plans',
  plan: 'plans',
  toolKey: 'tools',
  key: 'settings',
  user: 'users',
  apiKey: 'apiKeys',
  after: 'users',
  action: 'actions',
  actions: 'actions',
  resource: 'resources',
  email: 'emails',
  password: 'passwords',
  refreshToken: 'refreshTokens',
  token: 'invitations',
  admin_key: 'adminKeys',
  deliveryId: 'deliveries',
  endpointId: 'webhooks',
  events: 'events',
  url: 'urls',
  cursor: 'cursors',
}
const BY_PATH: Readonly<Record<string, Kind>> = {
  users: 'users',
  groups: 'groups',
  'api-keys': 'apiKeys',
  tenants: 'tenants',
  webhooks: 'webhooks',
}

/** What a parameter or field of this name is likely to mean. */
export function kindOf({ path, method }: Operation, name: string): Kind | 'path' | undefined {
  if (name === 'confirm') return 'path'
  if (name === 'id' && path.includes('/deliveries/{id}')) return 'deliveries'
  if (name === 'id') return BY_PATH[path.split('/')[2] ?? '']
  if (name === 'key' && path.endsWith('{toolKey}/actions')) return 'newActions'
  if (path.startsWith('/v1/integration-credentials') && /^(expires|ifUpdated)At$/.test(name)) return 'moments'
  if (path.startsWith('/v1/integration-credentials/{') && (name === 'provider' || name === 'name'))
    return name === 'name' ? 'credentials' : 'providers'
  // The key of something that is about to be made, and the e-mail of somebody new, are not known yet.
  if (method === 'POST' && (name === 'key' || (name === 'email' && !path.startsWith('/v1/auth'))))
    return undefined
  return Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined
}

/** The value with what is known put in. */
export function resolved(value: unknown, names: Names, path: string): unknown {
  if (value instanceof Known) {
    if (value.kind === 'path') return path
    const all = names[value.kind]
    return all[value.at % Math.max(1, all.length)] ?? 'none'
  }
  if (Array.isArray(value)) return value.map((one) => resolved(one, names, path))
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = Object.create(null)
  for (const [name, one] of Object.entries(value)) copy[name] = resolved(one, names, path)
  return copy
}
