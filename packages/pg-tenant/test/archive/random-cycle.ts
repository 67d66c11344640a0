import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { driverError, type IsolationLevel, type Tenancy, type TenancyError } from '../../src/index.ts'
import { randomOf, randomSchema } from './random-schema.ts'

/** Where a random schema is made, and who looks at it from outside. */
export interface RandomPlace {
  readonly tenancy: Tenancy
  readonly level: IsolationLevel
  /** The database that holds the tenant, as a superuser. */
  readonly urlOf: (key: string) => string
  readonly schemaOf: (key: string) => string
  readonly roleOf: (key: string) => string
  /** A superuser's query there. */
  readonly rootAt: (
    key: string,
    sql: string,
    values?: unknown[],
  ) => Promise<{ rows: Record<string, unknown>[] }>
  readonly folder: string
}

/** What came of one: how many of its statements made something, and every difference. */
export interface RandomOutcome {
  readonly statements: number
  readonly made: number
  /** Whether `pg_dump --schema-only` was among what compared. */
  readonly dumped: boolean
  readonly differences: readonly string[]
}

const EXTENSIONS = ['citext', 'hstore', 'pg_trgm', 'btree_gist', 'ltree', 'cube', 'uuid-ossp']
const PROGRAMS = process.env.TEST_PROGRAMS ?? '/usr/lib/postgresql/15/bin'

// $1 schema, $2 and $3 names that are one. Materialized views are made from the rest, under the policies of today. Values of `regclass` read with the schema's name.
const ROWS = `select c.relname as name, (xpath('/table/row/x/text()', query_to_xml(case c.relkind
      when 'S' then format('select last_value || is_called::text as x from %I.%I', n.nspname, c.relname)
      else format('select md5(replace(replace(to_jsonb(whole_row)::text, %L, ''SCHEMA''), %L, ''SCHEMA'')) as x from only %I.%I whole_row order by 1', $2::text, $3::text, n.nspname, c.relname) end, true, false, '')))::text as rows
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and (c.relkind in ('r', 'S'))
    and c.relname !~ '^_tenant_' where n.nspname = $1 order by 1`

/**
 * Provisions a tenant, makes a random schema in it at run time, and takes it round: backup, restore under another key, export,
 * off-boarding, restore. Compared each time: every row, and what `pg_dump` makes of the structure.
 */
export async function randomCycle(place: RandomPlace, seed: number): Promise<RandomOutcome> {
  const { tenancy, level, folder, schemaOf, roleOf } = place
  const [key, copy] = [`s${seed}`, `copy${seed}`]
  const statements = randomSchema(randomOf(seed), [schemaOf(key), roleOf(key), schemaOf(copy)])
  const differences: string[] = []
  await tenancy.provision(key)
  await extend(place, key)
  await tenancy.query(key, `insert into notes (body) values ('kept')`)
  const made = await run(tenancy, key, statements)
  const before = await look(place, key, [key, copy])
  const same = async (which: string, what: string) => {
    const after = await look(place, which, [key, copy])
    if (JSON.stringify(after.rows) !== JSON.stringify(before.rows))
      differences.push(`rows ${what}: ${firstDifference(before.rows, after.rows)}`)
    if (after.dump && before.dump && after.dump.join() !== before.dump.join())
      differences.push(`structure ${what}: ${firstDifference(before.dump, after.dump)}`)
  }
  const from = join(folder, `random-${level}-${seed}`)
  try {
    const { skipped } = await tenancy.backup(key, { to: from })
    if (skipped.length > 0) differences.push(`skipped: ${JSON.stringify(skipped)}`)
    await tenancy.restore(copy, { from })
    await same(copy, 'of the copy')
    const exported = join(folder, `export-${level}-${seed}`)
    await tenancy.export(key, { to: exported, format: seed % 2 === 0 ? 'csv' : 'jsonl' })
    await rm(exported, { recursive: true })
    await rm(from)
    await tenancy.offboard(key, { confirm: key, backup: { to: from } })
    await tenancy.restore(key, { from })
    await same(key, 'after off-boarding')
  } catch (error) {
    differences.push(told(error as TenancyError))
  }
  await rm(from, { force: true })
  for (const gone of [key, copy])
    await tenancy.drop(gone).catch((error) => differences.push(`drop: ${told(error)}`))
  return { statements: statements.length, made, dumped: before.dump !== undefined, differences }
}

function told(error: TenancyError): string {
  const cause = driverError(error) as Error | undefined
  return `${error.stack} ${JSON.stringify(error.details)} ${cause?.stack ?? ''} ${JSON.stringify(cause ?? '')}`
}

/** Extensions in a schema that all share, where the server has them; a database that a copy is restored into has none. */
async function extend({ level, rootAt }: RandomPlace, key: string): Promise<void> {
  if (level === 'database') return
  for (const name of EXTENSIONS)
    await rootAt(key, `create extension if not exists "${name}" schema public`).catch(() => {})
}

async function run(tenancy: Tenancy, key: string, statements: readonly string[]): Promise<number> {
  let done = 0
  for (const sql of statements) {
    await tenancy.query(key, sql).then(
      () => done++,
      (error) => {
        if (process.env.TEST_RANDOM_TOLD)
          console.log(`${String((driverError(error) as Error | undefined) ?? error)} | ${sql.slice(0, 150)}`)
      },
    )
  }
  return done
}

interface Looked {
  readonly rows: readonly string[]
  readonly dump: readonly string[] | undefined
}

async function look(place: RandomPlace, key: string, own: readonly string[]): Promise<Looked> {
  const { rows } = await place.rootAt(key, ROWS, [place.schemaOf(key), ...own.map(place.schemaOf)])
  return { rows: rows.map((row) => JSON.stringify(row)), dump: await dumped(place, key, own) }
}

let program: Promise<number | undefined> | undefined

/** What pg_dump makes of it, where that program is as new as the server; the names of the tenant and its copy are one. */
async function dumped(
  place: RandomPlace,
  key: string,
  own: readonly string[],
): Promise<string[] | undefined> {
  const { level, schemaOf, roleOf, rootAt, urlOf } = place
  const { rows } = await rootAt(key, `select current_setting('server_version_num')::int / 10000 as major`)
  program ??= versionOf('pg_dump', PROGRAMS)
  if (rows[0]?.major !== (await program)) return undefined
  const schema = schemaOf(key)
  // At level `schema` what the application made comes back as the tenant's, with the application's rights to it.
  const whose = level === 'schema' ? ['--no-owner', '--no-privileges'] : []
  const args = ['--schema-only', ...whose, `--schema="${schema}"`, '--exclude-table=*._tenant_*', urlOf(key)]
  const { stdout } = await promisify(execFile)(`${PROGRAMS}/pg_dump`, args, { maxBuffer: 1 << 26 })
  const lines = stdout.split('\n').filter((line) => !/^--|^\\|^$|^COMMENT ON SCHEMA/.test(line))
  // Objects come in the order of their OIDs where nothing else decides.
  const names = [...own.map((one) => [roleOf(one), 'ROLE']), ...own.map((one) => [schemaOf(one), 'SCHEMA'])]
  const text = names.reduce((all, [name = '', word = '']) => all.replaceAll(name, word), lines.join('\n'))
  return text.split(';\n').sort()
}

/** The first few lines that only one of them has. */
function firstDifference(before: readonly string[], after: readonly string[]): string {
  const gone = before.filter((line) => !after.includes(line)).slice(0, 4)
  const come = after.filter((line) => !before.includes(line)).slice(0, 4)
  return [...gone.map((line) => `- ${line}`), ...come.map((line) => `+ ${line}`)].join('\n')
}
