import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startPostgres } from '@org/pg-testing'
import { COMMON_JS, ESM, JEST, TYPED } from './programs.ts'

// The packed packages in fresh projects: on every runtime, as ES modules and CommonJS, under Jest, and to compilers of TypeScript.
// `pnpm build` first; `--small` (CI) takes this Node.js alone and the oldest and newest compiler. The runtimes come from npm: a machine without it skips nothing, and fails.

const ROOT = join(import.meta.dirname, '../..')
const PACKAGES = ['core', 'pg-testing', 'pg-tenant', 'crypto', 'rbac', 'governance']
const SMALL = process.argv.includes('--small')
const NODES = SMALL ? [] : ['22', '24', '26']
const COMPILERS = SMALL ? ['5.4', '7'] : ['5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6', '7']
const RESOLUTIONS = [
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const

const home = mkdtempSync(join(tmpdir(), 'packed-'))
const failed: string[] = []

function run(
  name: string,
  folder: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): boolean {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  if (name === '') {
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
    return true
  }
  console.log(`${status === 0 ? '✓' : '✗'} ${name}`)
  if (status !== 0) {
    failed.push(name)
    console.log(`${stdout}${stderr}`.slice(-4_000))
  }
  return status === 0
}

/** A project with the packages in it, as `npm install` makes it. */
function project(name: string, type: 'module' | 'commonjs', others: string[]): string {
  const folder = join(home, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type }))
  run('', folder, 'npm', ['install', '--silent', '--no-audit', '--no-fund', ...packed, ...others])
  return folder
}

for (const name of PACKAGES) {
  run('', join(ROOT, 'packages', name), 'npx', ['--yes', 'pnpm@12', 'pack', '--pack-destination', home])
}
const packed = globSync('*.tgz', { cwd: home }).map((file) => join(home, basename(file)))

/** The program of a runtime, from npm. */
const runtimes = join(home, 'runtimes')
const at = (path: string): string => join(runtimes, 'node_modules', path)
if (!SMALL) {
  mkdirSync(runtimes)
  writeFileSync(join(runtimes, 'package.json'), JSON.stringify({ private: true }))
  const nodes = NODES.map((major) => `node${major}@npm:node-${process.platform}-${process.arch}@${major}`)
  run('', runtimes, 'npm', ['install', '--silent', '--no-audit', '--no-fund', ...nodes, 'bun@1', 'deno@2'])
}

const server = await startPostgres()
let made = 0
/** On a database of its own; roles are the server's. */
async function use(
  name: string,
  folder: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
) {
  const database = await server.createDatabase()
  run(name, folder, command, args, { ...env, DATABASE_URL: database.url, ROLE_PREFIX: `p${++made}_` })
  await database.drop()
}

try {
  const esm = project('esm', 'module', ['pg@8'])
  writeFileSync(join(esm, 'use.mjs'), ESM)
  writeFileSync(join(esm, 'use.cjs'), COMMON_JS)
  for (const file of ['use.mjs', 'use.cjs']) {
    const kind = file.endsWith('cjs') ? 'CommonJS' : 'ES modules'
    for (const major of NODES)
      await use(`Node.js ${major}, ${kind}`, esm, at(`node${major}/bin/node`), [file])
    if (SMALL) {
      await use(`this Node.js, ${kind}`, esm, process.execPath, [file])
      continue
    }
    await use(`Bun, ${kind}`, esm, at('.bin/bun'), [file])
    await use(`Deno, ${kind}`, esm, at('.bin/deno'), ['run', '--allow-all', '--quiet', file])
  }

  const jest = project('jest', 'module', ['pg@8', 'jest@30'])
  writeFileSync(join(jest, 'notes.test.js'), JEST)
  await use('Jest 30', jest, process.execPath, ['node_modules/jest/bin/jest.js'], {
    NODE_OPTIONS: '--experimental-vm-modules',
  })

  const aliases = COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`)
  const typed = project('typed', 'module', ['pg@8', '@types/pg@8', '@types/node@24', ...aliases])
  writeFileSync(join(typed, 'use.ts'), TYPED)
  for (const version of COMPILERS) {
    const { bin } = JSON.parse(
      readFileSync(join(typed, `node_modules/typescript-${version}/package.json`), 'utf8'),
    )
    for (const [module, resolution] of RESOLUTIONS) {
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--types', 'node']
      const how = ['--module', module, '--moduleResolution', resolution]
      const compiler = join(typed, `node_modules/typescript-${version}`, bin.tsc)
      run(`TypeScript ${version}, ${resolution}`, typed, process.execPath, [
        compiler,
        ...options,
        ...how,
        'use.ts',
      ])
    }
  }
} finally {
  await server.stop()
  rmSync(home, { recursive: true, force: true })
}
console.log(failed.length === 0 ? 'the packed packages work everywhere' : `failed: ${failed.join('; ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
