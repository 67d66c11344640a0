import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { driverError, type IsolationLevel, type Tenancy, type TenancyError } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { randomOf, randomSchema } from './random-schema.ts'
import { useFolder } from './support.ts'

// Random schemas with everything that a tenant's role can make, under names that break what is not quoted. `TEST_RANDOM_SCHEMAS`
// says how many (default 8), `TEST_RANDOM_SEED` where they begin, `TEST_RANDOM_LEVEL` at which level all of them are.
const COUNT = Number(process.env.TEST_RANDOM_SCHEMAS ?? 8)
const SEED = Number(process.env.TEST_RANDOM_SEED ?? 1)
const LEVELS: readonly IsolationLevel[] = [
  'role',
  'schema',
  'role',
  'login',
  'role',
  'schema',
  'role',
  'database',
]

const ALL = process.env.TEST_RANDOM_LEVEL as IsolationLevel | undefined

const EXTENSIONS = ['citext', 'hstore', 'pg_trgm', 'btree_gist']

const setting = useSetting()
const folder = useFolder()
const PROGRAMS = '/usr/lib/postgresql/15/bin'

// Materialized views are made from the rest, under the policies of today.
const ROWS = `select c.relname as name, (xpath('/table/row/x/text()', query_to_xml(case c.relkind
      when 'S' then format('select last_value || is_called::text as x from %I.%I', n.nspname, c.relname)
      else format('select md5(to_jsonb(whole_row)::text) as x from only %I.%I whole_row order by 1', n.nspname, c.relname) end, true, false, '')))::text as rows
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and (c.relkind in ('r', 'S'))
    and c.relname !~ '^_tenant_' where n.nspname = $1 order by 1`

/** Extensions in a schema that all share, where the server has them; a database that a copy is restored into has none. */
async function extend(level: IsolationLevel, key: string): Promise<void> {
  if (level === 'database') return
  for (const name of EXTENSIONS)
    await setting.rootAt(level, key, `create extension if not exists ${name} schema public`).catch(() => {})
}

async function rowsOf(level: IsolationLevel, key: string): Promise<unknown[]> {
  const schema = setting.schemaOf(level, key)
  return (await setting.rootAt(level, key, ROWS, [schema])).rows
}

/** What pg_dump makes of it, where that program fits the server. */
async function dumped(level: IsolationLevel, key: string): Promise<string | undefined> {
  const { rows } = await setting.world.root.query(
    `select current_setting('server_version_num')::int / 10000 as major`,
  )
  if (rows[0].major !== 15 || (await versionOf('pg_dump', PROGRAMS)) === undefined) return undefined
  const [schema, role] = [setting.schemaOf(level, key), setting.roleOf(level, key)]
  const url = new URL(setting.world.url)
  if (level === 'database') url.pathname = `/${role}`
  // At level `schema` what the application made comes back as the tenant's, with the application's rights to it.
  const whose = level === 'schema' ? ['--no-owner', '--no-privileges'] : []
  const args = ['--schema-only', ...whose, `--schema="${schema}"`, '--exclude-table=*._tenant_*', url.href]
  const { stdout } = await promisify(execFile)(`${PROGRAMS}/pg_dump`, args, { maxBuffer: 1 << 26 })
  const lines = stdout.split('\n').filter((line) => !/^--|^\\|^$|^COMMENT ON SCHEMA/.test(line))
  // Objects come in the order of their OIDs where nothing else decides.
  return lines
    .join('\n')
    .replaceAll(role, 'ROLE')
    .replaceAll(schema, 'SCHEMA')
    .split(';\n')
    .sort()
    .join(';\n')
}

async function run(tenancy: Tenancy, key: string, statements: readonly string[]): Promise<number> {
  let done = 0
  for (const sql of statements) {
    const ran = await tenancy.query(key, sql).then(
      () => true,
      () => false,
    )
    if (ran) done++
  }
  return done
}

describe.each(Array.from({ length: COUNT }, (_, at) => SEED + at))('random schema %i', (seed) => {
  const level = ALL ?? LEVELS[seed % LEVELS.length] ?? 'role'

  it(`comes back at level ${level} as it was: under another key, and after it was off-boarded`, async () => {
    const statements = randomSchema(randomOf(seed))
    const tenancy = setting.tenancy(level)
    const [key, copy] = [`s${seed}`, `copy${seed}`]
    await tenancy.provision(key)
    await extend(level, key)
    await tenancy.query(key, `insert into notes (body) values ('kept')`)
    expect(await run(tenancy, key, statements)).toBeGreaterThan(statements.length / 3)
    const told = (error: unknown) => {
      throw new Error(
        `seed ${seed}: ${String((error as Error).stack)} ${(driverError(error as TenancyError) as Error | undefined)?.stack} ${JSON.stringify((error as { details?: unknown }).details)} ${String(driverError(error as TenancyError))}`,
      )
    }
    const [rows, dump] = [await rowsOf(level, key), await dumped(level, key)]
    const from = folder.path(`random-${seed}`)
    const { skipped } = await tenancy.backup(key, { to: from }).catch(told)
    expect(skipped).toEqual([])
    await tenancy.restore(copy, { from }).catch(told)
    expect(await rowsOf(level, copy), 'rows of the copy').toEqual(rows)
    expect(await dumped(level, copy), 'structure of the copy').toEqual(dump)
    const format = seed % 2 === 0 ? 'csv' : 'jsonl'
    await tenancy.export(key, { to: folder.path(`export-${seed}`), format }).catch(told)
    await rm(from)
    await tenancy.offboard(key, { confirm: key, backup: { to: from } }).catch(told)
    await tenancy.restore(key, { from }).catch(told)
    expect(await rowsOf(level, key), 'rows').toEqual(rows)
    expect(await dumped(level, key), 'structure').toEqual(dump)
    for (const gone of [key, copy]) await tenancy.drop(gone)
  })
})
