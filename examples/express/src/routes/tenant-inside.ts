import { parseTenantKey, TenancyError } from '@org/core'
import { createEvaluator } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { actionKey, id, tenantKey } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { findTenant } from './tenants.ts'

const step = z
  .object({ link: z.string(), ok: z.boolean(), sentence: z.string() })
  .meta({ id: 'ExplanationStep' })
const explanation = z
  .object({
    action: actionKey,
    allowed: z.boolean(),
    sentence: z.string(),
    steps: z.array(step),
    missing: step.nullable(),
  })
  .meta({ id: 'Explanation' })

/** Who can what, and why: for operators, in the words of an administrator. */
export function explainRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/explain',
      access: 'platform.tenants.explain',
      summary: 'Why somebody of a tenant may do something, or what is missing',
      tag: 'Tenants',
      params: z.object({ id: tenantKey }),
      query: z.strictObject({
        user: id.optional().describe('A user of the tenant; else `apiKey`'),
        apiKey: id.optional(),
        action: actionKey,
      }),
      data: explanation,
      errors: ['NOT_FOUND'],
      handle: async ({ params, query }) => {
        const actor = actorOf(query)
        const tenant = parseTenantKey((await findTenant(hub, params.id)).id)
        const { store, catalog } = await hub.governance.current()
        const snapshot = await hub.inTenant(tenant, (db) => store.loadSnapshot(db, actor))
        const found = createEvaluator(catalog, snapshot).explain(query.action)
        const told = (one: (typeof found.steps)[number]) => ({
          link: one.link,
          ok: one.ok,
          sentence: one.sentence.en,
        })
        return {
          action: query.action,
          allowed: found.allowed,
          sentence: found.sentence.en,
          steps: found.steps.map(told),
          missing: found.missing ? told(found.missing) : null,
        }
      },
    }),
  ]
}

function actorOf({ user, apiKey }: { user?: string | undefined; apiKey?: string | undefined }) {
  if (user !== undefined && apiKey === undefined) return { type: 'user', id: user } as const
  if (apiKey !== undefined && user === undefined) return { type: 'service', id: apiKey } as const
  throw new TenancyError('VALIDATION_ERROR', 'Name either a user or an API key.', {
    details: { field: 'query.user', reason: 'one_of' },
  })
}
