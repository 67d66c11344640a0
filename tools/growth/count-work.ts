import { Session } from 'node:inspector/promises'

/**
 * Counts what the sources of the repository do, in executions of blocks: V8 counts every run of every function, branch
 * and loop body exactly, so the same call always costs the same, on whatever machine and however busy it is. What the
 * engine does inside (regular expressions, `indexOf`) is not counted: expressions are judged as they stand, and `cpuOf`
 * measures the rest.
 */
export interface WorkCounter {
  countOf(run: () => unknown): Promise<number>
  close(): Promise<void>
}

export async function openWorkCounter(): Promise<WorkCounter> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return {
    countOf: async (run) => {
      await session.post('Profiler.takePreciseCoverage') // starts the count anew
      await settled(run)
      const { result } = await session.post('Profiler.takePreciseCoverage')
      return result
        .filter(({ url }) => /\/(?:packages|examples)\/[a-z-]+\/src\//.test(url))
        .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
        .reduce((sum, { count }) => sum + count, 0)
    },
    close: async () => {
      await session.post('Profiler.stopPreciseCoverage')
      session.disconnect()
    },
  }
}

/** Milliseconds of this thread's CPU, the least of three runs: what others do on the machine does not count. */
export async function cpuOf(run: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3; round++) {
    const began = process.threadCpuUsage()
    await settled(run)
    const { user, system } = process.threadCpuUsage(began)
    least = Math.min(least, (user + system) / 1_000)
  }
  return least
}

/** A refusal is an answer as well. */
async function settled(run: () => unknown): Promise<void> {
  try {
    await run()
  } catch {
    // It is the work that counts.
  }
}
