import type { Belongings } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import { qualify } from '../sql/identifier.ts'
import type { InstallUsageOptions } from './tables.ts'

/** What no transaction has: says that the server the delta comes to numbers it anew. */
const ANEW = '18446744073709551615'

/**
 * What a tenant uses and may use, for `createTenancy({ belongings })`: counts, limits, what is taken and what is still to be added
 * up go along when it moves to another cluster. Nothing is counted twice: what was added up here is not added up there.
 *
 * At level `database` deltas are in the tenant's database and do not go along: roll up before.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { usageBelongings } from '@org/governance/usage'
 *
 * console.log(usageBelongings().name) // usage
 * ```
 */
export function usageBelongings(options: Pick<InstallUsageOptions, 'controlSchema'> = {}): Belongings {
  const schema = onlyControlSchema(options)
  const [delta, cursor] = [qualify(schema, 'usage_delta'), qualify(schema, 'usage_cursor')]
  const table = (name: string) => ({ schema, name, tenant: 'tenant' })
  return {
    name: 'usage',
    tables: [
      {
        ...table('usage_delta'),
        appended: true,
        read: {
          xid: `case when t.xid < (select c.upto from ${cursor} c) then '0'::xid8 else '${ANEW}'::xid8 end`,
        },
      },
      table('usage_metrics'),
      // Its trigger counts what is taken; the count itself comes behind it, as it is.
      table('resource_hold'),
      table('tenant_resource'),
    ],
    arrive: async (control, tenant) => {
      const text = `update ${delta} set xid = pg_current_xact_id() where tenant = $1 and xid = '${ANEW}'::xid8`
      await control.query(text, [tenant])
      // Before the first time nothing is behind the position yet; no transaction of anybody has the number 0.
      await control.query(`update ${cursor} set upto = '1' where upto = '0'`)
    },
  }
}
