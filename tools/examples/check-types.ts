import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
/** The compiler in machine code: a quarter of the processor time of the one in JavaScript. */
const TSC = join(ROOT, 'node_modules/.bin/tsc')
/** What examples may use without saying where it comes from. */
const GIVEN = join(import.meta.dirname, 'given.ts')

const LINE = /^(.+?)\(\d+,\d+\): (error TS\d+: .*)$/

/** What the compiler has to say about files, by file; under the repository's own settings, but for names that nobody uses. */
export function typeErrorsIn(files: readonly string[]): ReadonlyMap<string, string[]> {
  const project = join(dirname(files[0] ?? ''), 'tsconfig.json')
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, experimentalDecorators: true }
  const options = { extends: join(ROOT, 'tsconfig.base.json'), compilerOptions, files: [GIVEN, ...files] }
  writeFileSync(project, JSON.stringify(options))
  const { stdout, error } = spawnSync(TSC, ['-p', project, '--pretty', 'false'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (error) throw error
  const found = new Map<string, string[]>(files.map((file) => [file, []]))
  for (const line of stdout.split('\n')) {
    const [, file = '', message = line] = LINE.exec(line) ?? []
    // What the compiler says of no file, as that it does not start, is said of all.
    if (file !== '') found.get(resolve(ROOT, file))?.push(message)
    else if (/^error /.test(line)) throw new Error(line)
  }
  return found
}
