import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { RanReporter } from './tools/sets/reporter.ts'
import { projects, tags } from './vitest.workspace.ts'

// What tests start as programs reads the sources as they are: compiled once for all of them, each starts for half the processor time.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile')

/** What has a process for each file is long and is few: at the end one of them would run alone. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const alone = (file: TestSpecification) => file.project.config.isolate
    return [...sorted.filter(alone), ...sorted.filter((file) => !alone(file))]
  }
}

export default defineConfig({
  // A test waits for the database, which is another process, and for what it made wait: with one worker more than there are cores a
  // sixth of the processors stood idle.
  test: {
    projects,
    tags,
    passWithNoTests: true,
    maxWorkers: availableParallelism() + 2,
    // What neither of the two sets runs is found by what both have run (tools/sets).
    ...(process.env.TEST_RAN && { reporters: ['default', new RanReporter(process.env.TEST_RAN)] }),
    sequence: { sequencer: LongFirst },
  },
})
