import type { IsolationLevel } from '../../src/index.ts'

/** Whether this run looks at everything (`pnpm test:slow`). */
export const SLOW = Boolean(process.env.TEST_SLOW)

/** Whether a test that needs a server's crash, a process or a second server looks at a level: at every one in the slow set. */
export const looksAt = (level: IsolationLevel, ...levels: readonly IsolationLevel[]): boolean =>
  SLOW || levels.includes(level)

/** At levels `schema` and `login` it is the code of `role` that runs, but for who logs in: where this asks, their turn is in the slow set. */
export const hasTurn = (level: IsolationLevel): boolean => SLOW === (level === 'schema' || level === 'login')

/** All of them in the slow set, else every `step`-th from the first on: each kind of test also runs in the default set, smaller. */
export const sampled = <T>(all: readonly T[], step: number): T[] =>
  SLOW ? [...all] : all.filter((_, at) => at % step === 0)

/** A sweep over the points at which something may die looks at every how-manieth of them; `TEST_FAULTS=all` at each. */
export const stepOf = (slow: number, quick: number): number =>
  process.env.TEST_FAULTS === 'all' ? 1 : SLOW ? slow : quick
