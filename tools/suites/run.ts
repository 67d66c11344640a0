import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createTenancy } from '@org/pg-tenant'
import { type PostgresServer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { SUITES, type Suite } from './libraries.ts'
import { type Outcome, readReport } from './report.ts'

// The own test suite of a library, three times: with `pg` as it is (raw, a superuser), with `pg` as a tenant's role and path
// (fenced: what the level itself allows), and through a tenant's pool. What passes fenced is to pass through it:
// `pnpm suites kysely <folder>`, where the library has been checked out and what its suite needs is installed.

const MODES = ['raw', 'fenced', 'through'] as const
type Mode = (typeof MODES)[number]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { mode: { type: 'string', multiple: true }, errors: { type: 'boolean', default: false } },
})
const [name = '', folder = ''] = positionals
const suite = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined
if (!suite || !existsSync(folder)) {
  console.error(
    `pnpm suites <${Object.keys(SUITES).join('|')}> <folder> [--mode=raw|fenced|through] [--errors]`,
  )
  for (const [one, { before }] of Object.entries(SUITES))
    console.error(`  ${one}: in its folder before: ${before}`)
  process.exit(2)
}

async function run(
  server: PostgresServer,
  mode: Mode,
  { folder: below, command, env }: Suite,
): Promise<Outcome> {
  const database = await server.createDatabase()
  const admin = new pg.Pool({ connectionString: database.url })
  await createTenancy({ pool: admin }).provision('suite')
  await admin.end()
  const home = mkdtempSync(join(tmpdir(), 'suite-'))
  const report = join(home, 'report.json')
  const preload = new URL('./preload.ts', import.meta.url).href
  const { stdout, stderr } = spawnSync(process.execPath, command(report), {
    cwd: join(resolve(folder), below),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      ...env(database.url),
      NODE_OPTIONS: `--conditions=@org/source --disable-warning=ExperimentalWarning --import=${preload}`,
      SUITE: name,
      SUITE_FOLDER: resolve(folder),
      SUITE_MODE: mode,
      SUITE_URL: database.url,
      SUITE_SCHEMA: 'c_suite',
      SUITE_ROLE: 'c_suite',
    },
  })
  if (!existsSync(report)) throw new Error(`no report:\n${stdout}${stderr}`.slice(-8_000))
  const outcome = readReport(report)
  rmSync(home, { recursive: true })
  await database.drop().catch(() => {})
  return outcome
}

/** Of the library itself, or as it is installed beside its suite. */
const own = join(folder, suite.folder, 'node_modules', suite.package, 'package.json')
const { version } = JSON.parse(readFileSync(existsSync(own) ? own : join(folder, 'package.json'), 'utf8'))
const wanted = MODES.filter((mode) => !values.mode || values.mode.includes(mode))
const outcomes = new Map<Mode, Outcome>()
const server = await startPostgres()
try {
  for (const mode of wanted) {
    const outcome = await run(server, mode, suite)
    outcomes.set(mode, outcome)
    console.log(`${name} ${version}, ${mode}: ${outcome.passed.length} passed, ${outcome.failed.size} failed`)
    if (values.errors)
      for (const [test, why] of outcome.failed) console.log(`  ✗ ${test}\n    ${why.split('\n')[0]}`)
  }
} finally {
  await server.stop()
}

const [fenced, through] = [outcomes.get('fenced'), outcomes.get('through')]
if (fenced && through) {
  const kept = new Set(through.passed)
  const lost = fenced.passed.filter((test) => !kept.has(test))
  console.log(
    `of ${fenced.passed.length} that the level allows, ${fenced.passed.length - lost.length} pass through a tenant's pool`,
  )
  for (const test of lost)
    console.log(`  ✗ ${test}\n    ${through.failed.get(test)?.split('\n')[0] ?? 'did not run'}`)
  process.exitCode = lost.length === 0 ? 0 : 1
}
