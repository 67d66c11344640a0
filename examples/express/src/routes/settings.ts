import { TenancyError, type TenantQueryable } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import type { Hub } from '../hub/open-hub.ts'
import type { HubSettings } from '../hub/settings.ts'

const tag = 'Settings'
const params = z.object({ key: z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/) })
const text = z
  .string()
  .min(1)
  .max(2_000)
  .regex(/^[^\p{Cs}\0]*$/u)
const value = z.union([text, z.number()])
const version = z.string().min(1).max(40)
const setting = z
  .object({
    key: z.string(),
    value: z
      .union([z.string(), z.number(), z.object({ masked: z.literal(true) })])
      .nullable()
      .describe('`null`: not set. A secret is never shown'),
    updatedAt: z.string().nullable().describe('The version, for `ifUpdatedAt`'),
  })
  .meta({ id: 'Setting' })

/** What a tenant sets. Which settings there are is the program's business: see `hub/settings.ts`. */
export function settingRoutes({ settings }: Hub): Endpoint[] {
  const all = async (db: TenantQueryable) => {
    const stored = await settings.list(db)
    return settings.keys.map((key) => ({
      key,
      value: stored[key]?.value ?? null,
      updatedAt: stored[key]?.updatedAt ?? null,
    }))
  }
  return [
    endpoint({
      method: 'get',
      path: '/v1/settings',
      access: 'account.settings.read',
      summary: 'All settings, secrets masked',
      tag,
      data: z.array(setting),
      handle: ({ tenancy }) => all(tenancy),
    }),
    endpoint({
      method: 'put',
      path: '/v1/settings/{key}',
      access: 'account.settings.update',
      summary: 'Set one; a secret is sealed for its tenant before it is stored',
      tag,
      params,
      body: z.strictObject({
        value,
        ifUpdatedAt: version
          .nullable()
          .optional()
          .describe('Only if it has this version; `null`: not set yet'),
      }),
      data: setting,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body: { value, ifUpdatedAt }, change }) => {
        const key = keyOf(settings, params.key)
        const options = ifUpdatedAt === undefined ? {} : { ifUpdatedAt }
        return await change(async (db, trail) => {
          await settings.set(db, key, value, options)
          const [made] = (await all(db)).filter((one) => one.key === key)
          // Which one, never what it is: any may be a secret of its tenant.
          trail.record({ entity: { type: 'setting', id: key }, metadata: { set: true } })
          return made as NonNullable<typeof made>
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/settings/{key}',
      access: 'account.settings.update',
      summary: 'Forget one',
      tag,
      params,
      status: 204,
      errors: ['NOT_FOUND'],
      handle: async ({ params, change }) => {
        const key = keyOf(settings, params.key)
        await change(async (db, trail) => {
          if (!(await settings.delete(db, key))) throw notFound()
          trail.record({ entity: { type: 'setting', id: key }, metadata: { set: false } })
        })
        return undefined
      },
    }),
  ]
}

function keyOf(settings: HubSettings, key: string): HubSettings['keys'][number] {
  if (settings.isKey(key)) return key
  throw notFound()
}

function notFound(): TenancyError {
  return new TenancyError('NOT_FOUND', 'There is no such setting, or it is not set.')
}
