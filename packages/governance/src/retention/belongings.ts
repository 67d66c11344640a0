import type { Belongings } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import type { InstallRetentionOptions } from './tables.ts'

/**
 * A tenant's legal holds and when its retention is next due, for `createTenancy({ belongings })`: they go along when it moves to
 * another cluster.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { retentionBelongings } from '@org/governance/retention'
 *
 * console.log(retentionBelongings().name) // retention
 * ```
 */
export function retentionBelongings(
  options: Pick<InstallRetentionOptions, 'controlSchema'> = {},
): Belongings {
  const schema = onlyControlSchema(options)
  const tables = ['legal_hold', 'retention_schedule']
  return { name: 'retention', tables: tables.map((name) => ({ schema, name, tenant: 'tenant' })) }
}
