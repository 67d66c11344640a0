import type { CheckFinding, CheckPlace } from '@org/core'
import type { PersonalData } from '../privacy/personal-data.ts'
import { qualify } from '../sql/identifier.ts'
import { areThere } from './there.ts'

/** Columns of tables in these schemas, the same ones of all tenants once: the catalogue says it, no table is read. */
const COLUMNS = `select c.relname as table, a.attname as column, count(*)::int as tenants, min(n.nspname) as schema
  from pg_namespace n join pg_class c on c.relnamespace = n.oid
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = any ($1::text[]) and c.relkind in ('r', 'p') and not c.relispartition
    and not starts_with(c.relname, '_tenant_') and a.attname <> 'tenant_id'
  group by c.relname, a.attname order by c.relname, a.attname`

/** @internal Set-based: one pass over the catalogue, whatever the number of tenants. */
export async function personalFindings(
  place: CheckPlace,
  { tables }: PersonalData,
): Promise<readonly CheckFinding[]> {
  const schemas = await place.schemas()
  if (schemas.length === 0) return []
  const { rows } = await place.query<{ table: string; column: string; tenants: number; schema: string }>(
    COLUMNS,
    [schemas],
  )
  const declared = (table: string, column: string) => Object.hasOwn(tables.get(table)?.columns ?? {}, column)
  const unclassified = rows
    .filter(({ table, column }) => !declared(table, column))
    .map(
      ({ table, column, tenants, schema }): CheckFinding => ({
        code: 'PERSONAL_UNCLASSIFIED',
        severity: 'error',
        subject: `${table}.${column}`,
        message: `Nobody has said whether ${table}.${column} is personal (${tenants} schemas, ${schema} for one): export and erasure pass it over.`,
        fix: `Declare it in personalData: { ${table}: { columns: { ${column}: 'keep' or how it is erased } } }.`,
      }),
    )
  const there = new Set(rows.map(({ table, column }) => `${table}.${column}`))
  const missing = [...tables].flatMap(([table, { columns }]) =>
    Object.keys(columns)
      .filter((column) => column !== 'tenant_id' && !there.has(`${table}.${column}`))
      .map(
        (column): CheckFinding => ({
          code: 'PERSONAL_MISSING',
          severity: 'warning',
          subject: `${table}.${column}`,
          message: `${table}.${column} is declared and no tenant has it: export and erasure fail there.`,
          fix: 'Take it out of personalData, or run migrate.',
        }),
      ),
  )
  return [...unclassified, ...missing]
}

const UNFINISHED = (schema: string) => `select e.tenant, count(*)::int as people
  from ${qualify(schema, 'erasure_ledger')} e where e.done_at is null and e.requested_at < clock_timestamp() - interval '1 hour'
  group by e.tenant order by e.tenant`

/** The newest of the log, and all that is kept apart: types that nobody publishes any more say nothing. */
const TYPES = (schema: string) => `select e.type from (
    (select o.type from ${qualify(schema, 'outbox')} o order by o.xid desc, o.seq desc limit 10000)
    union (select d.type from ${qualify(schema, 'outbox_dead')} d)
  ) e where e.type <> all ($1::text[]) and e.type !~ '^webhook[.]' order by e.type limit 100`

/** @internal Types of events that nobody has said anything about, once something is said of any. */
export async function eventFindings(
  place: CheckPlace,
  schema: string,
  { events = new Map() }: PersonalData,
): Promise<readonly CheckFinding[]> {
  if (events.size === 0 || place.tenant !== undefined) return []
  if (!(await areThere(place, schema, 'outbox', 'outbox_dead'))) return []
  const { rows } = await place.query<{ type: string }>(TYPES(schema), [[...events.keys()]])
  return rows.map(
    ({ type }): CheckFinding => ({
      code: 'PERSONAL_EVENT_UNCLASSIFIED',
      severity: 'error',
      subject: type,
      message: `Nobody has said whether events ${type} hold what is personal: export and erasure pass them over.`,
      fix: `Declare it in personalData(…, { events: { '${type}': 'keep' or its subject and paths } }).`,
    }),
  )
}

/** @internal Erasures that were asked for and cut off. */
export async function unfinishedErasures(
  place: CheckPlace,
  schema: string,
): Promise<readonly CheckFinding[]> {
  if (place.tenant !== undefined || !(await areThere(place, schema, 'erasure_ledger'))) return []
  const { rows } = await place.query<{ tenant: string; people: number }>(UNFINISHED(schema))
  return rows.map(({ tenant, people }) => ({
    code: 'ERASURE_UNFINISHED',
    severity: 'error',
    subject: tenant,
    message: `${people} erasures in ${tenant} were asked for and are not done.`,
    fix: 'Run privacy.replay(tenant): it finishes them.',
  }))
}
