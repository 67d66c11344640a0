import { TenancyError } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { isSecret } from '../http/secret.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Operation'
const health = z
  .object({
    status: z.literal('ok'),
    database: z.object({ latencyMs: z.number() }),
    tenants: z.record(z.string(), z.number().int()).describe('How many, by status'),
  })
  .meta({ id: 'Health' })

const COUNTS = `select status, count(*)::int as count from tenancy.tenant where status <> 'ready' group by status`

export function healthRoutes({ config, control, metrics }: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/health',
      access: 'open',
      summary: 'Whether the hub can work: asks the database',
      tag,
      data: health,
      errors: ['SERVICE_UNAVAILABLE'],
      handle: async () => {
        const began = performance.now()
        const { rows } = await control
          .query<{ status: string; count: number }>(COUNTS)
          .catch((cause: unknown) => {
            throw new TenancyError('SERVICE_UNAVAILABLE', 'The database does not answer.', { cause })
          })
        const latencyMs = Math.round((performance.now() - began) * 1_000) / 1_000
        const tenants = Object.fromEntries(rows.map(({ status, count }) => [status, count]))
        return { status: 'ok' as const, database: { latencyMs }, tenants }
      },
    }),
    endpoint({
      method: 'get',
      path: '/metrics',
      access: 'open',
      summary:
        "Metrics in Prometheus' text format, for who has METRICS_TOKEN; never a tenant among the labels",
      tag,
      errors: ['UNAUTHORIZED'],
      data: z.string(),
      text: true,
      handle: async ({ request }) => {
        const [, token] = /^Bearer (.+)$/.exec(request.get('authorization') ?? '') ?? []
        if (!isSecret(token, config.METRICS_TOKEN)) {
          throw new TenancyError('UNAUTHORIZED', 'Send METRICS_TOKEN as a bearer token.')
        }
        return await metrics.text()
      },
    }),
  ]
}
