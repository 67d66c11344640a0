import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
  /** Replaces text in a file, and returns how to put it back. */
  patch(file: string, find: string, replace: string): Promise<() => Promise<void>>
  /** Runs the tests of these folders until the first fails; the output is kept for the curious. */
  test(filters: readonly string[]): Promise<{ passed: boolean; output: string }>
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
    patch: async (file, find, replace) => {
      const path = join(bench, file)
      const before = await readFile(path, 'utf8')
      if (before.split(find).length !== 2)
        throw new Error(`${file}: the guard's text must occur exactly once`)
      await writeFile(
        path,
        before.replace(find, () => replace),
      )
      return () => writeFile(path, before)
    },
    test: (filters) => run(bench, filters),
    remove: () => rm(bench, { recursive: true, force: true }),
  }
}

function run(cwd: string, filters: readonly string[]): Promise<{ passed: boolean; output: string }> {
  const args = ['run', '--bail=1', '--reporter=dot', ...filters]
  const child = spawn(join(cwd, 'node_modules/.bin/vitest'), args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', CI: '1' },
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
