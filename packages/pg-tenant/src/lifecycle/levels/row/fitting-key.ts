import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'

// $1 schema, $2 tenant column, $3 reference tables.
const TYPES = `select distinct t.typname as type from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped join pg_type t on t.oid = a.atttypid
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])`

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/

/** How a key is written that is a value of the type, as the server writes it; two keys are never one value. */
const FITS: Readonly<Record<string, readonly [words: string, fits: (key: string) => boolean]>> = {
  uuid: ['a UUID in lower case with dashes', (key) => UUID.test(key)],
  int8: ['a whole number without leading zeros', (key) => NUMBER.test(key) && BigInt(key) < 2n ** 63n],
  int4: [
    'a whole number below 2147483648 without leading zeros',
    (key) => NUMBER.test(key) && BigInt(key) < 2n ** 31n,
  ],
}

/**
 * Refuses a key that is no value of the tenant columns there are: none of its rows could be written or seen.
 *
 * @throws TenancyError INVALID_TENANT_KEY
 */
export async function requireFittingKey(
  admin: Pick<Admin, 'run'>,
  { schema, tenantColumn, referenceTables }: RowPlace,
  tenant: TenantKey,
): Promise<void> {
  for (const { type } of await admin.run(TYPES, [schema, tenantColumn, referenceTables])) {
    const [words, fits] = FITS[String(type)] ?? []
    if (!fits || fits(tenant)) continue
    throw new TenancyError(
      'INVALID_TENANT_KEY',
      `Rows of tenants are told apart by a column of type ${type} here, so a tenant's key is ${words}. Nothing was changed.`,
      { details: { tenant, column: tenantColumn, type: String(type) } },
    )
  }
}
