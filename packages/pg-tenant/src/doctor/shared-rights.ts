import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { REMEDY, readRunningKeys, readSharedRights, wordsOf } from '../lifecycle/falls-through.ts'
import { LEDGER as ROW_LEDGER } from '../lifecycle/levels/row/migrations.ts'
import { RUN as ROW_RUN } from '../lifecycle/levels/row/outside-transaction.ts'
import { REGISTRY_TABLES } from '../registry/control-schema.ts'
import type { Look } from './read-only.ts'
import type { Examination } from './run-checks.ts'

/** What every scope could read or write in shared schemas (hazard ae), or run code by: two queries, whatever the number of tenants. */
export async function checkSharedRights(
  look: Look,
  { application, collected, fleet: { naming, level, registry } }: Examination,
): Promise<void> {
  const admin = { run: look }
  for (const right of await readSharedRights(admin, naming, level, application, registry.controlSchema)) {
    const { object } = right
    const message = `${object} ${wordsOf(right)}.`
    collected.add({ code: 'SHARED_RIGHTS', severity: 'error', subject: object, message, fix: REMEDY })
  }
  for (const key of await readRunningKeys(admin, naming))
    collected.add({ code: 'SHARED_RIGHTS', severity: 'error', ...key })
}

// $1 schema of the registry, $2 what a marker's name begins with, $3 the ledger's, $4 tables of the registry. What is the administrator's to write, and is
// somebody else's as well: by default privileges, or by hand.
const OURS_TO_WRITE = `select format('%I.%I', n.nspname, c.relname) as "table", coalesce(r.rolname, 'PUBLIC') as who,
    string_agg(distinct a.privilege_type, ', ' order by a.privilege_type) as what
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relowner = n.nspowner and c.relkind = 'r'
    cross join lateral aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee
  where a.grantee <> c.relowner and a.privilege_type <> 'SELECT' and not coalesce(r.rolsuper, false)
    and case when n.nspname = $1
      then c.relname = any ($4)
      else starts_with(c.relname, $2) or c.relname = $3 end
  group by 1, 2 order by 1, 2 limit 1000`

/** Whoever can write the registry or a marker can say whose a schema is; a trigger there would run as the administrator. */
export async function checkOwnTables(
  look: Look,
  { collected, fleet: { naming, registry } }: Examination,
): Promise<void> {
  const values = [
    registry.controlSchema,
    naming.marker,
    LEDGER_TABLE,
    [...REGISTRY_TABLES, ROW_LEDGER, ROW_RUN],
  ]
  for (const { table, who, what } of await look<{ table: string; who: string; what: string }>(
    OURS_TO_WRITE,
    values,
  ))
    collected.add({
      code: 'SHARED_RIGHTS',
      severity: 'error',
      subject: table,
      message: `${table} is the administrator's alone to write, and ${who} may ${what}.`,
      fix: `REVOKE ${what} ON ${table} FROM ${who}; where it came by default privileges (\\ddp in psql), give those of the tables' schema only.`,
    })
}
