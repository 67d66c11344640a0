import type { Belongings } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import type { InstallPrivacyOptions } from './tables.ts'

/**
 * The keys of a tenant's persons and who was erased, for `createTenancy({ belongings })`: without them what its audit log holds of
 * a person could not be read any more where it has moved to, or somebody erased would come back from a backup.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { privacyBelongings } from '@org/governance/privacy'
 *
 * console.log(privacyBelongings().name) // privacy
 * ```
 */
export function privacyBelongings(options: Pick<InstallPrivacyOptions, 'controlSchema'> = {}): Belongings {
  const schema = onlyControlSchema(options)
  const tables = ['subject_key', 'erasure_ledger']
  return { name: 'privacy', tables: tables.map((name) => ({ schema, name, tenant: 'tenant' })) }
}
