import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startPostgres } from '@org/pg-testing'

// Whole applications of the libraries that take a `pg.Pool`, over a tenant's pool, with the packed packages: `pnpm build` first.
// `pnpm apps prisma` runs one. Their libraries (300 MB) come from npm into a folder of their own; `APPS_HOME` keeps it.

const ROOT = join(import.meta.dirname, '../..')
const home = process.env.APPS_HOME ?? mkdtempSync(join(tmpdir(), 'apps-'))
const [only] = process.argv.slice(2)

function run(folder: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): boolean {
  const { status } = spawnSync(command, args, {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  return status === 0
}

function need(done: boolean, what: string): void {
  if (!done) throw new Error(`${what} failed`)
}

cpSync(import.meta.dirname, home, { recursive: true, filter: (path) => !path.endsWith('run.ts') })
cpSync(join(ROOT, 'docs/recipes'), home, { recursive: true })
for (const name of ['core', 'pg-testing', 'pg-tenant'])
  need(
    run(join(ROOT, 'packages', name), 'npx', ['--yes', 'pnpm@12', 'pack', '--pack-destination', home]),
    'pack',
  )
const packed = globSync('*.tgz', { cwd: home }).map((file) => join(home, basename(file)))
const quiet = ['--silent', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund']
need(run(home, 'npm', ['install', ...quiet, ...packed]), 'npm install')
// The client needs no engine any more; the command would fetch one all the same.
const generate = ['prisma', 'generate', '--schema', 'schema.prisma']
need(run(home, 'npx', generate, { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' }), 'prisma generate')

const server = await startPostgres()
const failed: string[] = []
try {
  for (const [at, file] of globSync('*.test.mjs', { cwd: home }).sort().entries()) {
    if (only && !file.startsWith(only)) continue
    const database = await server.createDatabase()
    const env = { DATABASE_URL: database.url, ROLE_PREFIX: `a${at}_` }
    if (!run(home, process.execPath, ['--disable-warning=ExperimentalWarning', '--test', file], env))
      failed.push(file)
    await database.drop()
  }
} finally {
  await server.stop()
  if (!process.env.APPS_HOME) rmSync(home, { recursive: true, force: true })
}
console.log(failed.length === 0 ? 'the applications work' : `failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
