import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Mutant, mutantsIn } from './mutants.ts'
import { makeWorkbench, type Workbench } from './workbench.ts'

// Takes each guard out in turn and runs the tests: a guard whose absence no test notices is not proven to be there.

const USAGE = `pnpm mutate [--only=<text in the name>]… [--changed] [--marked] [--sample=<number>] [--list] [--quick]`
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    changed: { type: 'boolean', default: false },
    marked: { type: 'boolean', default: false },
    sample: { type: 'string' },
    list: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const ROOT = join(import.meta.dirname, '../..')

const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\n')

function chosen(): Mutant[] {
  const sources = globSync('packages/{core,pg-tenant,rbac,crypto,governance,cli}/src/**/*.ts', { cwd: ROOT })
  const changed = values.changed ? new Set(git('diff', '--name-only', 'origin/main...')) : undefined
  const found = sources
    .filter((file) => changed?.has(file) ?? true)
    .flatMap((file) => mutantsIn(file, readFileSync(join(ROOT, file), 'utf8')))
    .filter(({ marked }) => !values.marked || marked !== undefined)
    .filter(
      ({ name, file }) =>
        values.only.length === 0 || values.only.some((part) => `${file} ${name}`.includes(part)),
    )
  if (values.sample === undefined) return found
  // Every so many-th, from another one each day: over time all of them.
  const step = Math.max(1, Math.floor(found.length / Number(values.sample)))
  const first = Math.floor(Date.now() / 86_400_000) % step
  return found.filter((_, index) => index % step === first)
}

/** Folders without tests of their own, and whose tests know them best. */
const KNOWN_TO: Readonly<Record<string, string>> = {
  admin: 'lifecycle',
  credentials: 'levels',
  driver: 'scope',
  errors: 'scope',
  isolation: 'scope',
  tenancy: 'scope',
  compile: 'evaluate',
}

/** What every scope goes through is also for the attacks to notice. */
const ATTACKED = ['scope', 'driver', 'isolation']
const ATTACKS = [
  'hazards/stopped',
  'hazards/own-tricks',
  'hazards/process',
  'session/replaced',
  'session/nothing-stays',
].map((name) => `packages/pg-tenant/test/${name}.test.ts`)

/** Tests of the folder that the file is in, then every test that its sources are loaded by. */
function stagesOf(file: string): string[][] {
  const [, name = '', , folder = ''] = file.split('/')
  const near = `packages/${name}/test/${KNOWN_TO[folder] ?? folder.replace(/\.ts$/, '')}`
  const all = ['related', `--project=${name}`, file]
  const here =
    globSync(`${near}*/**/*.test.ts`, { cwd: ROOT }).length +
    globSync(`${near}*.test.ts`, { cwd: ROOT }).length
  if (here === 0) return [all]
  const attacks = name === 'pg-tenant' && ATTACKED.includes(folder) ? [['run', ...ATTACKS]] : []
  return [['run', near], ...attacks, ...(values.quick ? [] : [all])]
}

/** @returns the first test that failed; a guard caught by a test about something else is worth a look */
async function noticedBy(bench: Workbench, file: string): Promise<string | undefined> {
  for (const stage of stagesOf(file)) {
    const { passed, output } = await bench.test(stage)
    if (!passed) return failureIn(output)
  }
  if (values.quick) return undefined
  // Cases and levels that are shared out between the two sets.
  const all = ['related', `--project=${file.split('/')[1]}`, '--tags-filter=sampled', file]
  const slow = await bench.test(all, { TEST_SLOW: '1' })
  return slow.passed ? undefined : failureIn(slow.output)
}

const failureIn = (output: string) =>
  /^\s*FAIL\s+(.+)$/m.exec(output)?.[1]?.trim() ?? 'no test: it did not compile or hung'

async function run(mutants: readonly Mutant[]): Promise<number> {
  const bench = await makeWorkbench(ROOT)
  let survived = 0
  try {
    for (const mutant of mutants) {
      const started = performance.now()
      const restore = await bench.patch(mutant)
      const by = await noticedBy(bench, mutant.file).finally(restore)
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6)
      if (by === undefined) survived++
      console.log(`${by === undefined ? 'SURVIVED' : 'caught  '} ${seconds} s  ${mutant.name}`)
      if (by !== undefined) console.log(`${' '.repeat(19)}by ${by}`)
    }
  } finally {
    await bench.remove()
  }
  console.log(`\n${mutants.length - survived} caught, ${survived} survived, of ${mutants.length}`)
  return survived
}

const mutants = chosen()
if (values.help) console.log(USAGE)
else if (values.list) console.log(mutants.map(({ name }) => name).join('\n'))
else process.exitCode = (await run(mutants)) > 0 ? 1 : 0
