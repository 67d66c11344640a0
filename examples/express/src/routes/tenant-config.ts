import type { Queryable } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { timestamp } from '../http/schemas.ts'

const tag = 'Branding and configuration'
/** Flags, and limits, that one tenant may have. */
const MAX_ENTRIES = 100
const key = z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/)
const bounded = <T extends z.ZodType>(value: T) =>
  z
    .record(key, value)
    .refine((entries) => Object.keys(entries).length <= MAX_ENTRIES, 'too many entries')
    .describe(`Up to ${MAX_ENTRIES} entries`)
const facts = {
  flags: bounded(z.boolean()),
  limits: bounded(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).nullable()),
}
const config = z
  .object({ ...facts, updatedAt: timestamp.nullable().describe('`null`: never set') })
  .meta({ id: 'TenantConfig' })
type Config = Omit<z.output<typeof config>, 'updatedAt'> & { updatedAt: Date | null }

const COLUMNS = 'flags, limits, updated_at as "updatedAt"'
const READ = `select ${COLUMNS} from tenant_config`
const WRITE = `insert into tenant_config (flags, limits) values ($1::jsonb, $2::jsonb)
  on conflict on constraint pk_tenant_config do update
    set flags = excluded.flags, limits = excluded.limits, updated_at = now()
  returning ${COLUMNS}`
const NONE: Config = { flags: {}, limits: {}, updatedAt: null }

/** What the tenant's programs read; what it is entitled to stands elsewhere, and is not its own to change. */
export function tenantConfigRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/config',
      access: 'account.config.read',
      summary: "The tenant's own flags and limits",
      tag,
      data: config,
      handle: ({ tenancy }) => one(tenancy, READ, []),
    }),
    endpoint({
      method: 'put',
      path: '/v1/config',
      access: 'account.config.update',
      summary: "Replace the tenant's own flags and limits",
      tag,
      body: z.strictObject(facts),
      data: config,
      handle: ({ body, change }) =>
        change(async (db, trail) => {
          const { updatedAt: _then, ...before } = await one(db, READ, [])
          const made = await one(db, WRITE, [JSON.stringify(body.flags), JSON.stringify(body.limits)])
          trail.record({ entity: { type: 'config', id: db.tenant }, before, after: body })
          trail.publish('tenant.config.changed', {})
          return made
        }),
    }),
  ]
}

async function one(db: Queryable, text: string, values: readonly unknown[]): Promise<Config> {
  return (await db.query<Config>(text, values)).rows[0] ?? NONE
}
