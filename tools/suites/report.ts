import { readFileSync } from 'node:fs'

/** Full names of tests that passed and failed; a name that occurs twice has a number behind it. */
export interface Outcome {
  readonly passed: readonly string[]
  readonly failed: ReadonlyMap<string, string>
}

interface Test {
  readonly fullTitle?: string
  readonly fullName?: string
  readonly status?: string
  readonly err?: { readonly message?: string }
  readonly failureMessages?: readonly string[]
}

/** Reads the JSON report of mocha (`passes`, `failures`) or of vitest (`testResults`). */
export function readReport(file: string): Outcome {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  const seen = new Map<string, number>()
  const named = (title: string) => {
    const times = (seen.get(title) ?? 0) + 1
    seen.set(title, times)
    return times === 1 ? title : `${title} (${times})`
  }
  const tests: Test[] = report.testResults
    ? report.testResults.flatMap((one: { assertionResults: Test[] }) => one.assertionResults)
    : [
        ...report.passes.map((test: Test) => ({ ...test, status: 'passed' })),
        ...report.failures.map((test: Test) => ({ ...test, status: 'failed' })),
      ]
  const passed: string[] = []
  const failed = new Map<string, string>()
  for (const test of tests) {
    const name = named(test.fullTitle ?? test.fullName ?? '')
    if (test.status === 'passed') passed.push(name)
    else if (test.status === 'failed') failed.set(name, test.err?.message ?? test.failureMessages?.[0] ?? '')
  }
  return { passed, failed }
}
