import { fromApiKey, fromClaim, fromHeader, type ResolveOptions, TenancyError } from '@org/core'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { AccessLine, TenantOptions } from '../../src/express/index.ts'
import type { Tenancy } from '../../src/tenancy/interface.ts'
import { NOTES, useWorld, type World } from '../support/world.ts'
import { serveFastify, serveNestOnExpress, serveNestOnFastify, serveWeb } from './more-servers.ts'
import { type Served, serveExpress, serveHono } from './servers.ts'

/** A constraint that fails at COMMIT, and one whose name does not say what it is about. */
const MORE = {
  id: '0002_more',
  sql: `create table child (note bigint references notes (id) deferrable initially deferred);
    create table person (email text not null);
    create unique index only_once on person (lower(email));`,
}

export const ADAPTERS = [
  ['Express', serveExpress],
  ['Hono', serveHono],
  ['Fastify', serveFastify],
  ['Web', serveWeb],
  ['Nest on Express', serveNestOnExpress],
  ['Nest on Fastify', serveNestOnFastify],
] as const

/** `u.acme` is a user of acme, `s.` a service of nobody, `k.acme` an API key. */
export const RESOLVE: ResolveOptions = {
  sources: [
    fromClaim({
      verifyToken: async (token) => {
        const [, kind, tenantId] = /^([us])\.([^.]*)$/.exec(token) ?? []
        if (kind === undefined || tenantId === undefined) throw new TenancyError('INVALID_TOKEN', 'no')
        return {
          sub: `${tenantId}-user`,
          type: kind === 'u' ? 'user' : 'service',
          ...(tenantId !== '' && { tenantId }),
        }
      },
    }),
    fromApiKey({
      authenticateApiKey: async (key) => ({ type: 'service', id: 'key-1', tenant: key.slice(2) }),
    }),
    fromHeader(),
  ],
}

export interface HttpWorld {
  readonly world: World
  readonly tenancy: () => Tenancy
  /** The access log and the reported errors since the test began. */
  readonly lines: AccessLine[]
  readonly errors: unknown[]
  /** A server with these options, closed after the test; one for all tests where there are none but `scope`. */
  serve(how: (typeof ADAPTERS)[number][1], options?: Partial<TenantOptions>): Promise<Client>
  /** The notes of a tenant, seen from outside. */
  notes(tenant: string): Promise<string[]>
}

export interface Client extends Served {
  /** A request of `u.<tenant>`. */
  call(tenant: string, route: string, init?: RequestInit): Promise<Response>
  add(tenant: string, route: string, body: string, headers?: Record<string, string>): Promise<Response>
}

export function useHttpWorld(): HttpWorld {
  const world = useWorld([])
  const open: Served[] = []
  const kept = new Map<unknown, Client>()
  const [lines, errors]: [AccessLine[], unknown[]] = [[], []]
  let tenancy: Tenancy
  beforeAll(async () => {
    tenancy = world.tenancy({ migrations: [NOTES, MORE], pool: world.pool({ max: 8 }) })
    for (const key of ['acme', 'globex']) await tenancy.provision(key)
  })
  afterEach(async () => {
    for (const served of open.splice(0)) await served.close()
    for (const key of ['acme', 'globex']) await tenancy.query(key, 'delete from notes')
    lines.length = 0
    errors.length = 0
  })
  afterAll(() => Promise.all([...open, ...kept.values()].map((served) => served.close())))
  return {
    world,
    tenancy: () => tenancy,
    lines,
    errors,
    async serve(how, options = {}) {
      const found = kept.get(how)
      const lasts = Object.keys(options).every((name) => name === 'scope')
      if (lasts && found) return found
      const served = await how(tenancy, {
        resolve: RESOLVE,
        onAccess: (line) => lines.push(line),
        onError: (error) => errors.push(error),
        ...options,
      })
      const call: Client['call'] = (tenant, route, init = {}) =>
        fetch(`${served.url}/t/${route}`, {
          ...init,
          headers: { authorization: `Bearer u.${tenant}`, ...(init.headers as Record<string, string>) },
        })
      const client: Client = {
        ...served,
        call,
        add: (tenant, route, body, headers = {}) =>
          call(tenant, route, {
            method: 'POST',
            body,
            headers: { 'content-type': 'text/plain', ...headers },
          }),
      }
      if (lasts) kept.set(how, client)
      else open.push(client)
      return client
    },
    async notes(tenant) {
      const { rows } = await tenancy.query<{ body: string }>(tenant, 'select body from notes order by id')
      return rows.map(({ body }) => body)
    },
  }
}
