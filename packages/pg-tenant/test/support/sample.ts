/** Whether this run looks at everything (`pnpm test:slow`). */
export const SLOW = Boolean(process.env.TEST_SLOW)

/** All of them in the slow set, else every `step`-th from the first on: each kind of test also runs in the default set, smaller. */
export const sampled = <T>(all: readonly T[], step: number): T[] =>
  SLOW ? [...all] : all.filter((_, at) => at % step === 0)
