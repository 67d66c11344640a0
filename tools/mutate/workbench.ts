import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mutant } from './mutants.ts'

/** Longest one mutant's tests may take, in milliseconds; a guard against waiting for ever counts as caught. */
const PATIENCE_MS = 180_000

/** Everything vitest needs to find its projects. */
const COPIED = [
  'packages',
  'examples',
  'tools',
  'docs',
  'deploy',
  'README.md',
  'package.json',
  'vitest.config.ts',
  'vitest.workspace.ts',
  'tsconfig.base.json',
]

/** A copy of the repository in which guards are taken out, so that the real one is never touched. */
export interface Workbench {
  /** Takes a guard out, and returns how to put it back. */
  patch(mutant: Mutant): Promise<() => Promise<void>>
  /** Runs vitest until the first test fails. */
  test(
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ passed: boolean; output: string }>
  remove(): Promise<void>
}

export async function makeWorkbench(root: string): Promise<Workbench> {
  const bench = await mkdtemp(join(tmpdir(), 'pg-tenant-mutants-'))
  for (const name of COPIED) {
    await cp(join(root, name), join(bench, name), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('/dist'),
    })
  }
  await symlink(join(root, 'node_modules'), join(bench, 'node_modules'))
  return {
    patch: async ({ file, start, end, text }) => {
      const path = join(bench, file)
      const before = await readFile(path, 'utf8')
      await writeFile(path, before.slice(0, start) + text + before.slice(end))
      return () => writeFile(path, before)
    },
    test: (args, env) => run(bench, args, env),
    remove: () => rm(bench, { recursive: true, force: true }),
  }
}

function run(
  cwd: string,
  [command = 'run', ...rest]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ passed: boolean; output: string }> {
  const args = [command, ...(command === 'run' ? [] : ['--run']), '--bail=1', '--reporter=dot', ...rest]
  const child = spawn(join(cwd, 'node_modules/.bin/vitest'), args, {
    cwd,
    env: { ...process.env, ...env, NO_COLOR: '1', CI: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ passed: code === 0, output }))
  })
}
