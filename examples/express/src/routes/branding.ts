import type { Queryable } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { timestamp } from '../http/schemas.ts'

const tag = 'Branding and configuration'
const color = z.string().regex(/^#[0-9a-f]{6}$/)
const facts = {
  // Shown by browsers of the tenant's users: nothing but https, and nothing that breaks out of an attribute.
  logoUrl: z
    .string()
    .max(2_000)
    .regex(/^https:\/\/[a-z0-9.-]+(:\d{1,5})?(\/[\w.~:/?#[\]@!$&()*+,;=%-]*)?$/i)
    .nullable(),
  primaryColor: color.nullable(),
  secondaryColor: color.nullable(),
  domain: z
    .string()
    .max(253)
    .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/)
    .nullable(),
}
const branding = z
  .object({ ...facts, updatedAt: timestamp.nullable().describe('`null`: never set') })
  .meta({ id: 'Branding' })
type Branding = Omit<z.output<typeof branding>, 'updatedAt'> & { updatedAt: Date | null }

const COLUMNS = `logo_url as "logoUrl", primary_color as "primaryColor", secondary_color as "secondaryColor", domain,
  updated_at as "updatedAt"`
const READ = `select ${COLUMNS} from tenant_branding`
const WRITE = `insert into tenant_branding (logo_url, primary_color, secondary_color, domain) values ($1, $2, $3, $4)
  on conflict on constraint pk_tenant_branding do update set logo_url = excluded.logo_url,
    primary_color = excluded.primary_color, secondary_color = excluded.secondary_color, domain = excluded.domain,
    updated_at = now()
  returning ${COLUMNS}`
const NONE: Branding = {
  logoUrl: null,
  primaryColor: null,
  secondaryColor: null,
  domain: null,
  updatedAt: null,
}

export function brandingRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/branding',
      access: 'account.branding.read',
      summary: 'The face of the tenant',
      tag,
      data: branding,
      handle: ({ tenancy }) => one(tenancy, READ, []),
    }),
    endpoint({
      method: 'put',
      path: '/v1/branding',
      access: 'account.branding.update',
      summary: 'Replace the face of the tenant',
      tag,
      body: z.strictObject(facts),
      data: branding,
      handle: ({ body, change }) =>
        change(async (db, trail) => {
          const { updatedAt: _then, ...before } = await one(db, READ, [])
          const values = [body.logoUrl, body.primaryColor, body.secondaryColor, body.domain]
          const made = await one(db, WRITE, values)
          trail.record({ entity: { type: 'branding', id: db.tenant }, before, after: body })
          trail.publish('tenant.branding.changed', {})
          return made
        }),
    }),
  ]
}

async function one(db: Queryable, text: string, values: readonly unknown[]): Promise<Branding> {
  return (await db.query<Branding>(text, values)).rows[0] ?? NONE
}
