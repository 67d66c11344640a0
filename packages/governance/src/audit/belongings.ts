import type { Belongings } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import { aheadSql } from '../control/other-server.ts'
import { makePartitions } from '../partitions/partitions.ts'
import { qualify } from '../sql/identifier.ts'
import { AUDIT_LOG, type InstallAuditOptions } from './tables.ts'

/** What no transaction has: says that the server the entry comes to numbers it anew. */
const ANEW = '18446744073709551615'

const monthsSql = (log: string) =>
  `select distinct to_char(date_trunc('month', l.created_at at time zone 'utc'), 'YYYY-MM-DD') as month
   from ${log} l where l.tenant = $1`

/**
 * A tenant's audit log with its seals, for `createTenancy({ belongings })`: it goes along when it moves to another cluster, whose
 * programs have the same keys. Entries that are sealed stay so, under the number their seal proves; the others are sealed there. Who
 * follows the log there is told of all of them.
 *
 * A seal whose entries retention has removed here is told as `entry_missing` there until retention has come as far. At level
 * `database` the log is in the tenant's database and does not go along: such a move is refused.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { auditBelongings } from '@org/governance/audit'
 *
 * console.log(auditBelongings().tables.map(({ name }) => name)) // [ 'audit_log', 'audit_seal' ]
 * ```
 */
export function auditBelongings(options: Pick<InstallAuditOptions, 'controlSchema'> = {}): Belongings {
  const schema = onlyControlSchema(options)
  const [log, seal, sealer] = [AUDIT_LOG.table, 'audit_seal', 'audit_sealer'].map((table) =>
    qualify(schema, table),
  ) as [string, string, string]
  return {
    name: 'audit',
    tables: [
      {
        schema,
        name: AUDIT_LOG.table,
        tenant: 'tenant',
        appended: true,
        // What a seal was made over holds the number. All come behind the place that sealing and followers have reached there.
        read: {
          xid: `'${ANEW}'::xid8`,
          sealed_xid: `case when t.sealed_xid is not null then t.sealed_xid when exists (select from ${sealer} p
              where (t.xid, t.id) <= (p.xid, p.id) and not ${aheadSql('p.xid')})
            or exists (select from ${seal} s where s.tenant = t.tenant and t.created_at between s.since and s.until and t.id = any (s.ids))
            then t.xid end`,
        },
      },
      { schema, name: 'audit_seal', tenant: 'tenant' },
    ],
    prepare: async (control, tenant, source) => {
      const { rows } = await source.query<{ month: string }>(monthsSql(log), [tenant])
      for (const { month } of rows)
        await control.query(makePartitions(schema, AUDIT_LOG, 0, `timestamptz '${month} 00:00:00+00'`))
    },
    arrive: async (control, tenant) => {
      const text = `update ${log} set xid = pg_current_xact_id() where tenant = $1 and xid = '${ANEW}'::xid8`
      await control.query(text, [tenant])
    },
  }
}
