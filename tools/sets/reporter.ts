import { appendFileSync } from 'node:fs'
import type { Reporter, TestCase } from 'vitest/node'

/** Writes down of each test whether it ran, a line each, behind what earlier runs have written. */
export class RanReporter implements Reporter {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  onTestCaseResult(test: TestCase): void {
    const ran = test.result().state === 'skipped' ? 'skipped' : 'ran'
    const name = `${test.project.name} ${test.module.relativeModuleId} > ${test.fullName}`
    appendFileSync(this.#file, `${ran}\t${name.replaceAll(/\s+/g, ' ')}\n`)
  }
}
