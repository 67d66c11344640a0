import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startPostgres } from '@org/pg-testing'
import { blocksOf, STARTERS, type Starter } from './starters.ts'

// How long a new project takes from `npm install` to the first answer of a scoped query, for each framework's block in the README,
// with the packed packages: `pnpm build` first. Writes the table into that README; `--cold` empties npm's cache before each,
// `--check` only runs the blocks.

const ROOT = join(import.meta.dirname, '../..')
const README = join(ROOT, 'packages/pg-tenant/README.md')
const CHECK = process.argv.includes('--check')
const COLD = process.argv.includes('--cold')
const PATIENCE_MS = 120_000

const home = mkdtempSync(join(tmpdir(), 'first-query-'))

interface Measured {
  readonly heading: string
  readonly installMs: number
  readonly answerMs: number
}

function sh(folder: string, command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`.slice(-4_000))
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  listener.close()
  return typeof address === 'object' && address ? address.port : 0
}

/** Asks until it answers; whoever starts is not there at once. */
async function answered(url: string): Promise<string> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const answer = await fetch(url, { headers: { authorization: 'Bearer acme' } }).catch(() => undefined)
    if (answer) return `${answer.status} ${await answer.text()}`
    if (performance.now() > until) return 'no answer'
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** On a server of its own: roles are the server's. */
async function measure(starter: Starter, packed: readonly string[]): Promise<Measured> {
  const { heading, packages, file, run, files = {} } = starter
  const folder = join(home, heading)
  mkdirSync(folder)
  const { tenancy, app } = blocksOf(readFileSync(README, 'utf8'), heading)
  const all = {
    'package.json': '{ "private": true, "type": "module" }',
    'tenancy.js': tenancy,
    [file]: app,
    ...files,
  }
  for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text)
  const cache = COLD ? ['--cache', join(home, `${heading}-cache`)] : ['--prefer-offline']
  const began = performance.now()
  sh(folder, 'npm', [
    'install',
    '--silent',
    '--no-audit',
    '--no-fund',
    ...cache,
    ...packed,
    'pg@8',
    ...packages,
  ])
  const installed = performance.now()
  const server = await startPostgres()
  const port = await freePort()
  const child = spawn(process.execPath, run, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      PORT: String(port),
      DATABASE_URL: server.url,
      ADMIN_DATABASE_URL: server.url,
    },
  })
  const ended = once(child, 'exit')
  const started = performance.now()
  try {
    const answer = await Promise.race([
      answered(`http://localhost:${port}/notes`),
      ended.then(() => 'it ended'),
    ])
    if (answer !== '200 {"data":[{"id":1,"body":"hi"}]}') throw new Error(`${heading}: ${answer}`)
    return { heading, installMs: installed - began, answerMs: performance.now() - started }
  } finally {
    child.kill()
    await ended
    await server.stop()
  }
}

function table(all: readonly Measured[]): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const rows = all.map(
    ({ heading, installMs, answerMs }) =>
      `| ${heading === 'Next' ? 'Web handler (Next, Bun, Deno)' : heading} | ${seconds(installMs)} | ${seconds(answerMs)} | ${seconds(installMs + answerMs)} |`,
  )
  const day = new Date().toISOString().slice(0, 10)
  const load = `load average ${loadavg()[0]?.toFixed(0)}`
  return [
    `| ${day}, ${cpus().length} cores, ${load}, npm's cache ${COLD ? 'empty' : 'filled'} | \`npm install\` | start to first scoped answer | together |`,
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

try {
  for (const name of ['core', 'pg-tenant'])
    sh(join(ROOT, 'packages', name), 'npx', ['--yes', 'pnpm@12', 'pack', '--pack-destination', home])
  const packed = globSync('*.tgz', { cwd: home }).map((file) => join(home, basename(file)))
  const all: Measured[] = []
  for (const starter of STARTERS) {
    const measured = await measure(starter, packed)
    all.push(measured)
    console.log(
      `✓ ${measured.heading}: ${Math.round(measured.installMs)} ms + ${Math.round(measured.answerMs)} ms`,
    )
  }
  if (!CHECK) {
    const text = readFileSync(README, 'utf8')
    const marked = /(<!-- first-query:begin -->\n).*?(<!-- first-query:end -->)/s
    writeFileSync(
      README,
      text.replace(marked, (_, begin, end) => `${begin}${table(all)}\n${end}`),
    )
  }
} finally {
  rmSync(home, { recursive: true, force: true })
}
