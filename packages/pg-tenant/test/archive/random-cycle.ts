import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { driverError, type IsolationLevel, type Tenancy, type TenancyError } from '../../src/index.ts'
import { inOneWording } from '../../src/sql/same-words.ts'
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
 * Provisions a tenant for each seed, makes a random schema in it at run time, and takes it round: backup, restore under another key,
 * export, off-boarding, restore. Compared each time: every row, and what `pg_dump` makes of the structure. They go side by side,
 * so that one `pg_dump` reads all of them where they are in one database.
 */
export async function randomCycles(
  place: RandomPlace,
  seeds: readonly number[],
): Promise<readonly RandomOutcome[]> {
  const cycles = seeds.map((seed) => ({ go: cycle(place, seed), key: '', outcome: undefined as Outcome }))
  for (let dumps: Dumps = new Map(); ; ) {
    const waiting = cycles.filter(({ outcome }) => !outcome)
    for (const one of waiting) {
      const step = await one.go.next(dumps.get(one.key))
      if (step.done) one.outcome = step.value
      else one.key = step.value
    }
    const keys = waiting.flatMap(({ key, outcome }) => (outcome ? [] : [key]))
    if (keys.length === 0) return cycles.flatMap(({ outcome }) => outcome ?? [])
    dumps = await dumped(place, keys)
  }
}

type Outcome = RandomOutcome | undefined
type Dumps = ReadonlyMap<string, readonly string[]>

/** One of them: it says which tenant is to be dumped, and is given what `pg_dump` made of it. */
async function* cycle(
  place: RandomPlace,
  seed: number,
): AsyncGenerator<string, RandomOutcome, readonly string[] | undefined> {
  const { tenancy, level, folder, schemaOf, roleOf } = place
  const [key, copy] = [`s${seed}`, `copy${seed}`]
  const statements = randomSchema(randomOf(seed), [schemaOf(key), roleOf(key), schemaOf(copy)])
  const differences: string[] = []
  let [made, dump]: [number, readonly string[] | undefined] = [0, undefined]
  const from = join(folder, `random-${level}-${seed}`)
  try {
    await tenancy.provision(key)
    await extend(place, key)
    await tenancy.query(key, `insert into notes (body) values ('kept')`)
    made = await run(tenancy, key, statements)
    const rows = await rowsOf(place, key, [key, copy])
    dump = oneName(yield key, place, [key, copy])
    const same = async (which: string, what: string, text: readonly string[] | undefined) => {
      const now = await rowsOf(place, which, [key, copy])
      if (now.join() !== rows.join()) differences.push(`rows ${what}: ${firstDifference(rows, now)}`)
      const after = oneName(text, place, [key, copy])
      if (after?.join() !== dump?.join())
        differences.push(`structure ${what}: ${firstDifference(dump ?? [], after ?? [])}`)
    }
    const { skipped } = await tenancy.backup(key, { to: from })
    if (skipped.length > 0) differences.push(`skipped: ${JSON.stringify(skipped)}`)
    await tenancy.restore(copy, { from })
    await same(copy, 'of the copy', yield copy)
    const exported = join(folder, `export-${level}-${seed}`)
    await tenancy.export(key, { to: exported, format: seed % 2 === 0 ? 'csv' : 'jsonl' })
    await rm(exported, { recursive: true })
    await rm(from)
    await tenancy.offboard(key, { confirm: key, backup: { to: from } })
    await tenancy.restore(key, { from })
    await same(key, 'after off-boarding', yield key)
  } catch (error) {
    differences.push(told(error as TenancyError))
  }
  await rm(from, { force: true })
  for (const gone of [key, copy])
    await tenancy.drop(gone).catch((error) => differences.push(`drop: ${told(error)}`))
  return { statements: statements.length, made, dumped: dump !== undefined, differences }
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

async function rowsOf(place: RandomPlace, key: string, own: readonly string[]): Promise<string[]> {
  const { rows } = await place.rootAt(key, ROWS, [place.schemaOf(key), ...own.map(place.schemaOf)])
  return rows.map((row) => JSON.stringify(row))
}

let program: Promise<number | undefined> | undefined

/** Whether `pg_dump` reads this server: it does not read one that is newer. */
export async function canDump(major: number): Promise<boolean> {
  program ??= versionOf('pg_dump', PROGRAMS)
  return ((await program) ?? 0) >= major
}

const HEAD = /^-- Name: .*; Type: [^;]*; Schema: ([^;]*); Owner: /

/** What pg_dump makes of tenants, where that program is as new as the server: one run for all of a database. */
async function dumped(place: RandomPlace, keys: readonly string[]): Promise<Dumps> {
  const { level, schemaOf, rootAt, urlOf } = place
  const [first = ''] = keys
  const { rows } = await rootAt(first, `select current_setting('server_version_num')::int / 10000 as major`)
  if (!(await canDump(Number(rows[0]?.major)))) return new Map()
  // At level `schema` what the application made comes back as the tenant's, with the application's rights to it.
  const whose = level === 'schema' ? ['--no-owner', '--no-privileges'] : []
  const found = new Map(keys.map((key) => [schemaOf(key), { key, lines: [] as string[] }]))
  for (const url of new Set(keys.map(urlOf))) {
    const schemas = keys.filter((key) => urlOf(key) === url).map(schemaOf)
    const which = schemas.map((schema) => `--schema="${schema}"`)
    const args = ['--schema-only', ...whose, ...which, '--exclude-table=*._tenant_*', url]
    const { stdout } = await promisify(execFile)(`${PROGRAMS}/pg_dump`, args, { maxBuffer: 1 << 28 })
    let lines: string[] | undefined
    for (const line of stdout.split('\n')) {
      // What belongs to no schema, as casts do, names it.
      const [, home] = HEAD.exec(line) ?? []
      if (home === '-') lines = undefined
      else if (home !== undefined) lines = found.get(home)?.lines
      if (/^--|^\\|^$|^COMMENT ON SCHEMA|^SET default_/.test(line)) continue
      lines ??= found.get(schemas.find((schema) => new RegExp(`\\b${schema}\\b`).test(line)) ?? '')?.lines
      lines?.push(line)
    }
  }
  const empty = [...found.values()].find(({ lines }) => lines.length === 0)
  if (empty) throw new Error(`pg_dump made nothing of ${empty.key}`)
  return new Map([...found.values()].map(({ key, lines }) => [key, lines]))
}

/** The names of a tenant and its copy are one. Objects come in the order of their OIDs where nothing else decides. */
function oneName(
  lines: readonly string[] | undefined,
  { roleOf, schemaOf }: RandomPlace,
  own: readonly string[],
): string[] | undefined {
  const names = [...own.map((one) => [roleOf(one), 'ROLE']), ...own.map((one) => [schemaOf(one), 'SCHEMA'])]
  const text = names.reduce(
    (all, [name = '', word = '']) => all.replaceAll(name, word),
    lines?.join('\n') ?? '',
  )
  // What the server words otherwise once it has read its own words: `same-words.test.ts` looks at what counts as the same.
  return lines && text.split(';\n').map(inOneWording).sort()
}

/** The first few lines that only one of them has. */
function firstDifference(before: readonly string[], after: readonly string[]): string {
  const gone = before.filter((line) => !after.includes(line)).slice(0, 4)
  const come = after.filter((line) => !before.includes(line)).slice(0, 4)
  return [...gone.map((line) => `- ${line}`), ...come.map((line) => `+ ${line}`)].join('\n')
}
