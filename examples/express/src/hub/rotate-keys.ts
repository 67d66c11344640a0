import { rotate } from '@org/crypto'
import { WEBHOOK_SECRETS } from '@org/governance/webhooks'
import type { Hub } from './open-hub.ts'

const TENANTS = `select key from tenancy.tenant where status = 'active' order by key`

/**
 * Everything sealed under a retired key is sealed anew under the current one, while everything goes on: settings, credentials for
 * services of others and webhooks' secrets of each tenant, and people's keys. Cut off, it is begun anew; tenants that are suspended
 * have their turn when they are back. Answers that are kept for repetitions are not: they are gone within a day.
 *
 * @throws Error when not everything is under the current key, which the job's failure tells of
 */
export async function rotateKeys(
  { control, tenancy, sealing, settings, credentials, subjects }: Hub,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await control.query<{ key: string }>(TENANTS)
  const report = await rotate({
    tenants: rows.map(({ key }) => key),
    withTenant: (tenant, fn) => tenancy.withTenant(tenant, fn),
    secrets: sealing,
    tables: [settings.table, credentials.table, ...WEBHOOK_SECRETS],
    signal,
  })
  await subjects.reseal()
  if (!report.aborted && !report.complete) throw new Error('some secrets are not under the current key')
}
