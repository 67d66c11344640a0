import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { projects } from './vitest.workspace.ts'

export default defineConfig({
  // A test waits for the database, which is another process, and for what it made wait: one worker more than there are cores.
  test: { projects, passWithNoTests: true, maxWorkers: availableParallelism() + 1 },
})
