import type { Look } from '../doctor/read-only.ts'
import type { CheckedMigration } from '../migrations/migrations.ts'
import { readLedger, TOOLS, type Tool, type ToolRow } from '../migrations/tools.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'

// A plain table, of which a SELECT runs nobody's code: neither policies nor rules, nothing inherited, columns of the catalogue's own
// types, nothing computed; and nothing the planner would fold: no CHECK, no index or statistics over expressions (hazard x).
// $1 schema, $2 tables.
const LEDGERS = `select c.relname as name, has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'update') as readable,
  c.relkind = 'r' and not c.relrowsecurity and not c.relhasrules and not c.relispartition and not c.relhassubclass
    and not exists (select from pg_inherits i where i.inhrelid = c.oid)
    and not exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal)
    and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c')
    and not exists (select from pg_index i where i.indrelid = c.oid and (i.indexprs is not null or i.indpred is not null))
    and not exists (select from pg_statistic_ext s where s.stxrelid = c.oid)
    and not exists (select from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid and a.attnum > 0
      and not a.attisdropped and (a.attgenerated <> '' or t.typtype <> 'b' or t.typnamespace <> 'pg_catalog'::regnamespace)) as plain,
  array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = any ($2::text[])`

interface Ledger {
  readonly name: string
  readonly readable: boolean
  readonly plain: boolean
  readonly columns: readonly string[]
}

/** What tools say of a schema. */
export interface Said {
  readonly baseline: string | null
  /** The table that says so. */
  readonly table: string
}

/** Rows that are read at most: more migrations than anybody has. */
const MOST = 20_000
/** Characters of each that are read. */
const LONGEST = 300

/**
 * Reads the ledgers of other tools in a schema, in a transaction under a path that holds the catalogue alone.
 *
 * @param given what the caller says is there: then a ledger that says otherwise is told of, and decides nothing
 */
export async function askTools(
  look: Look,
  schema: string,
  migrations: readonly CheckedMigration[],
  given: string | null | undefined,
): Promise<{ readonly said: Said | undefined; readonly findings: readonly AdoptionFinding[] }> {
  const findings: AdoptionFinding[] = []
  let said: Said | undefined
  for (const tool of TOOLS) {
    const ledger = await harmless(look, schema, tool)
    if (!ledger) continue
    if (ledger.readable && ledger.plain) {
      const reading = readLedger(migrations, await rowsOf(look, schema, tool, tool.where))
      const failed = tool.failed === undefined ? [] : await rowsOf(look, schema, tool, tool.failed)
      findings.push(...failed.slice(0, 20).map((row) => halfWay(schema, tool, row)))
      if ('baseline' in reading && (said === undefined || said.baseline === reading.baseline)) {
        said ??= { baseline: reading.baseline, table: tool.table }
        if (given !== undefined && given !== reading.baseline)
          findings.push(differs(schema, tool, reading.baseline))
      } else findings.push(unknown(schema, tool, reading, given))
    } else findings.push(unreadable(schema, tool, ledger, given))
  }
  return { said, findings }
}

/** Looks twice: the lock lets rows be read and written, and keeps everybody from making the table another. */
async function harmless(look: Look, schema: string, tool: Tool): Promise<Ledger | undefined> {
  const first = await ledgerOf(look, schema, tool)
  if (!first?.readable || !first.plain) return first
  await look(`lock table only ${qualify(schema, tool.table)} in share update exclusive mode`)
  return await ledgerOf(look, schema, tool)
}

async function ledgerOf(look: Look, schema: string, { table, columns }: Tool): Promise<Ledger | undefined> {
  const [found] = await look<Ledger>(LEDGERS, [schema, [table]])
  return found && columns.every((column) => found.columns.includes(column)) ? found : undefined
}

async function rowsOf(look: Look, schema: string, tool: Tool, where = 'true'): Promise<ToolRow[]> {
  const { nameColumn, checksumColumn, table } = tool
  const checksum = checksumColumn === undefined ? 'null' : quoteIdentifier(checksumColumn)
  return await look<ToolRow>(
    `select left(${quoteIdentifier(nameColumn)}::pg_catalog.text, ${LONGEST}) as name, left(${checksum}::pg_catalog.text, ${LONGEST}) as checksum
     from only ${qualify(schema, table)} where ${where} limit ${MOST}`,
  )
}

const say = (value: string | null) => (value === null ? 'null' : `'${value}'`)

function halfWay(schema: string, { name, table }: Tool, row: ToolRow): AdoptionFinding {
  return {
    code: 'LEDGER_FAILED',
    severity: 'warning',
    subject: `${schema}.${table}`,
    message: `The ledger of ${name} says that "${row.name.slice(0, 200)}" failed: it counts as not applied, and some of its work may be there.`,
    fix: 'Finish it with that tool, or undo what it has done, before the schema is adopted: migrate() runs it from its beginning.',
  }
}

function differs(schema: string, { name, table }: Tool, baseline: string | null): AdoptionFinding {
  return {
    code: 'LEDGER_DIFFERS',
    severity: 'warning',
    subject: `${schema}.${table}`,
    message: `The ledger of ${name} says that the schema has the migrations up to ${baseline ?? 'none'}; the baseline says otherwise.`,
    fix: `Leave baseline out, or say baseline: ${say(baseline)}, unless you know better.`,
  }
}

function unknown(
  schema: string,
  { name, table }: Tool,
  reading: ReturnType<typeof readLedger>,
  given: string | null | undefined,
): AdoptionFinding {
  const what =
    'unknown' in reading
      ? `names "${reading.unknown}", which is none of the tenancy’s migrations`
      : 'gap' in reading
        ? `lacks ${reading.gap}, though it has a later one`
        : 'says something else than that of another tool'
  return {
    code: 'BASELINE_UNKNOWN',
    severity: given === undefined ? 'error' : 'notice',
    subject: `${schema}.${table}`,
    message: `The ledger of ${name} ${what}.`,
    fix: "Say which migration the schema has: baseline: '<id>', or null for none of them.",
  }
}

function unreadable(
  schema: string,
  { name, table }: Tool,
  { readable }: Ledger,
  given: string | null | undefined,
): AdoptionFinding {
  const why = readable
    ? 'is no plain table (policies, rules, triggers, CHECKs, expressions), and reading it might run code of whoever made it'
    : 'may not be read by the administrator'
  return {
    code: 'LEDGER_UNREADABLE',
    severity: given === undefined ? 'error' : 'notice',
    subject: `${schema}.${table}`,
    message: `The ledger of ${name} ${why}.`,
    fix: "Say which migration the schema has: baseline: '<id>', or null for none of them.",
  }
}
