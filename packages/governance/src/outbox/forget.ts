import type { Queryable, TenantKey } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/**
 * Removes a tenant's events, wherever they wait. For the transaction that drops it, as the administrator:
 * `createTenancy({ onForget: forgetEvents })`.
 *
 * @throws TenancyError INVALID_OPTION; otherwise what `control` throws
 * @example
 * ```ts
 * import { parseTenantKey } from '@org/core'
 * import { forgetEvents, installOutbox } from '@org/governance/outbox'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * // When a tenant is dropped: createTenancy({ …, onForget: forgetEvents })
 * await forgetEvents(adminPool, parseTenantKey('initech'))
 * ```
 */
export async function forgetEvents(
  control: Queryable,
  tenant: TenantKey,
  options: { readonly controlSchema?: string | undefined } = {},
): Promise<void> {
  const schema = quoteIdentifier(onlyControlSchema(options))
  await control.query(`select ${schema}.outbox_forget($1)`, [tenant])
}
