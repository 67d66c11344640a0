import type { Belongings } from '@org/core'
import { type DataKeyTable, dataKeyMigration } from './sql.ts'

/**
 * The data keys of a tenant, for `createTenancy({ belongings })`: they go along, wrapped as they are, when it moves to another
 * cluster. Both clusters' programs must be able to unwrap them.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { dataKeyBelongings } from '@org/crypto'
 *
 * console.log(dataKeyBelongings().tables.map(({ name }) => name)) // [ 'tenant_data_key' ]
 * ```
 */
export function dataKeyBelongings(at: DataKeyTable = {}): Belongings {
  // Refuses what is no name, and what is no option.
  dataKeyMigration(at)
  const { schema = 'public', table = 'tenant_data_key' } = at
  return { name: 'data-keys', tables: [{ schema, name: table, tenant: 'tenant' }] }
}
