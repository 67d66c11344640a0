import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { projects } from './vitest.workspace.ts'

export default defineConfig({
  // Half of what a test waits for is the database, which is another process: more workers than cores less one.
  test: { projects, passWithNoTests: true, maxWorkers: Math.max(2, availableParallelism()) },
})
