import { parseArgs } from 'node:util'
import type { Guard } from './guard.ts'
import { GUARDS } from './guards.ts'
import { makeWorkbench, type Workbench } from './workbench.ts'

// Takes each guard out in turn and runs the tests: a guard whose absence no test notices is not proven to be there.

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

interface Verdict {
  readonly guard: string
  readonly verdict: 'caught' | 'SURVIVED' | 'equivalent'
  readonly seconds: number
  /** The first test that failed: a guard caught by a test about something else is worth a look. */
  readonly by: string | null
}

async function testAll(
  bench: Workbench,
  tests: Guard['tests'],
): Promise<{ passed: boolean; output: string }> {
  let output = ''
  for (const filters of values.quick ? tests.slice(0, 1) : tests) {
    const stage = await bench.test(filters)
    output += stage.output
    if (!stage.passed) return { passed: false, output }
  }
  return { passed: true, output }
}

async function judge(bench: Workbench, guard: Guard): Promise<Verdict> {
  const started = performance.now()
  const restore = await bench.patch(guard.file, guard.find, guard.replace)
  const { passed, output } = await testAll(bench, guard.tests)
  await restore()
  if (values.verbose && passed) console.error(output)
  const survived = guard.equivalent === undefined ? 'SURVIVED' : 'equivalent'
  return {
    guard: guard.name,
    verdict: passed ? survived : 'caught',
    seconds: Math.round((performance.now() - started) / 100) / 10,
    by: passed ? null : firstFailure(output),
  }
}

function firstFailure(output: string): string {
  return /^\s*FAIL\s+(.+)$/m.exec(output)?.[1]?.trim() ?? 'no test: it did not compile or hung'
}

const bench = await makeWorkbench(new URL('../..', import.meta.url).pathname)
const verdicts: Verdict[] = []
try {
  const chosen = GUARDS.filter(
    ({ name }) => values.only.length === 0 || values.only.some((part) => name.includes(part)),
  )
  const every = [...new Set(chosen.flatMap(({ tests }) => tests.flat()))]
  const sane = await testAll(bench, [every])
  if (!sane.passed) throw new Error(`the tests fail with every guard in place:\n${sane.output.slice(-4000)}`)
  for (const guard of chosen) {
    const verdict = await judge(bench, guard)
    verdicts.push(verdict)
    if (!values.json)
      console.log(`${verdict.verdict.padEnd(10)} ${verdict.seconds.toFixed(1).padStart(6)} s  ${guard.name}`)
    if (!values.json && verdict.by) console.log(`${' '.repeat(21)}by ${verdict.by}`)
  }
} finally {
  await bench.remove()
}
const count = (verdict: Verdict['verdict']) => verdicts.filter((one) => one.verdict === verdict).length
if (values.json) console.log(JSON.stringify(verdicts, null, 2))
else {
  console.log(
    `\n${count('caught')} caught, ${count('SURVIVED')} survived, ${count('equivalent')} equivalent, of ${verdicts.length}`,
  )
  for (const { name, equivalent } of GUARDS) {
    if (equivalent && verdicts.some((one) => one.guard === name && one.verdict === 'equivalent')) {
      console.log(`  equivalent: ${name}: ${equivalent}`)
    }
  }
}
process.exitCode = count('SURVIVED') > 0 ? 1 : 0
