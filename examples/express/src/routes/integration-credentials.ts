import { isTenancyError, TenancyError, type TenantQueryable } from '@org/core'
import type { CredentialFacts } from '@org/crypto'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { listPage, listQuery, moment } from '../http/list.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Integration credentials'
/** Both together fit into a cursor. */
const part = z.string().regex(/^[a-z][a-z0-9_.-]{0,48}$/)
const params = z.object({ provider: part, name: part })
const credential = z
  .object({
    provider: part.describe('Whose service it is for'),
    name: part.describe('Tells several of one provider apart'),
    expiresAt: z.string().nullable(),
    expired: z.boolean(),
    updatedAt: z.string().describe('The version, for `ifUpdatedAt`'),
  })
  .meta({ id: 'IntegrationCredential' })
const data = z
  .record(z.string().min(1).max(100), z.union([z.string(), z.number(), z.boolean(), z.null()]))
  .refine(fits, 'at most 32768 bytes')
  .describe('Keys, tokens, client secrets. Sealed whole for this tenant, provider and name; never answered')
const expiresAt = moment.nullable().optional().describe('`null` or left out: it does not expire')

const LIST = {
  from: 'from integration_credential c where true',
  columns: `c.provider, c.name, to_char(c.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "expiresAt",
    coalesce(c.expires_at <= clock_timestamp(), false) as expired,
    to_char(c.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "updatedAt"`,
  sorts: { provider: { sql: 'c.provider', type: 'text' } },
  id: `c.provider || '/' || c.name`,
  filters: { provider: 'c.provider = $', expiresBefore: 'c.expires_at < $::timestamptz' },
} as const

/** A tenant's credentials for services of others. The program opens them where it calls the service; no route does. */
export function integrationCredentialRoutes({ credentials }: Hub): Endpoint[] {
  const factsOf = async (db: TenantQueryable, { provider, name }: z.output<typeof params>) => {
    const { rows } = await db.query<{ updatedAt: string }>(
      `select ${LIST.columns} ${LIST.from} and c.provider = $1 and c.name = $2`,
      [provider, name],
    )
    if (rows[0] === undefined) throw new TenancyError('NOT_FOUND', 'There is no such credential.')
    return rows[0]
  }
  return [
    endpoint({
      method: 'get',
      path: '/v1/integration-credentials',
      access: 'account.credentials.read',
      summary: 'Which credentials for services of others there are, and until when',
      tag,
      query: listQuery(['provider'], { provider: part.optional(), expiresBefore: moment.optional() }),
      data: credential,
      list: true,
      handle: ({ tenancy, query }) => listPage<CredentialFacts>(tenancy, LIST, query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integration-credentials',
      access: 'account.credentials.create',
      summary: 'Store one; `name` is `default` unless said',
      tag,
      body: z.strictObject({ provider: part, name: part.default('default'), data, expiresAt }),
      creates: true,
      status: 201,
      data: credential,
      errors: ['DUPLICATE_RESOURCE'],
      handle: ({ body, change }) =>
        change(async (db, trail) => {
          const made = await credentials.put(db, body, { ifUpdatedAt: null }).catch(exists)
          trail.record({ entity: entityOf(made), after: { expiresAt: made.expiresAt } })
          return made
        }),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integration-credentials/{provider}/{name}/rotate',
      access: 'account.credentials.update',
      summary: 'Replace what it holds: the old one is gone with the commit',
      tag,
      params,
      body: z.strictObject({
        data,
        expiresAt,
        ifUpdatedAt: z.string().min(1).max(40).optional().describe('Only if it has this version'),
      }),
      creates: true,
      data: credential,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: ({ params, body: { ifUpdatedAt, ...held }, change }) =>
        change(async (db, trail) => {
          const before = await factsOf(db, params)
          const version = { ifUpdatedAt: ifUpdatedAt ?? before.updatedAt }
          const made = await credentials.put(db, { ...params, ...held }, version)
          trail.record({ entity: entityOf(made), metadata: { rotated: true, expiresAt: made.expiresAt } })
          return made
        }),
    }),
    endpoint({
      method: 'delete',
      path: '/v1/integration-credentials/{provider}/{name}',
      access: 'account.credentials.update',
      summary: 'Revoke one: what it held is destroyed here; tell its provider, too',
      tag,
      params,
      status: 204,
      errors: ['NOT_FOUND'],
      handle: async ({ params, change }) => {
        await change(async (db, trail) => {
          await factsOf(db, params)
          await credentials.remove(db, params.provider, params.name)
          trail.record({ entity: entityOf(params), metadata: { revoked: true } })
        })
        return undefined
      },
    }),
  ]
}

const entityOf = ({ provider, name }: z.output<typeof params>) => ({
  type: 'integration_credential',
  id: `${provider}/${name}`,
})

function fits(value: object): boolean {
  return Buffer.byteLength(JSON.stringify(value)) <= 32_768
}

function exists(error: unknown): never {
  if (!isTenancyError(error, 'CONFLICT')) throw error
  throw new TenancyError('DUPLICATE_RESOURCE', 'There is such a credential already. Rotate or revoke it.')
}
