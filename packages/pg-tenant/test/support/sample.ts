import type { IsolationLevel } from '../../src/index.ts'

/** Whether this run looks at everything (`pnpm test:slow`). */
export const SLOW = Boolean(process.env.TEST_SLOW)

/** Whether a test that needs a server's crash, a process or a second server looks at a level: at every one in the slow set. */
export const looksAt = (level: IsolationLevel, ...levels: readonly IsolationLevel[]): boolean =>
  SLOW || levels.includes(level)

/**
 * Whether a level is looked at by this set, where the two share them out (CI runs both): those named in the default set, the others in the
 * slow one. At levels `schema` and `login` it is the code of `role` that runs, but for who logs in; what is slow at level `database` is
 * that databases are made.
 */
export const hasTurn = (level: IsolationLevel, quick: readonly IsolationLevel[] = ['role', 'row']): boolean =>
  SLOW !== quick.includes(level)

/** All of them in the slow set, else every `step`-th from the first on: each kind of test also runs in the default set, smaller. */
export const sampled = <T>(all: readonly T[], step: number): T[] =>
  SLOW ? [...all] : all.filter((_, at) => at % step === 0)

/** Cases that the two sets share out: every `step`-th from the first on, and in the slow set all the others. */
export const inTurn = <T>(all: readonly T[], step: number): T[] =>
  all.filter((_, at) => (at % step === 0) !== SLOW)

/** A sweep over the points at which something may die looks at every how-manieth of them; `TEST_FAULTS=all` at each. */
export const stepOf = (slow: number, quick: number): number =>
  process.env.TEST_FAULTS === 'all' ? 1 : SLOW ? slow : quick
