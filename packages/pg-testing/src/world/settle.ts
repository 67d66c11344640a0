import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again until the answer is yes: for what happens elsewhere, without a guess how long it takes.
 * @param patienceMs milliseconds before it gives up (default 60,000); only a failing test waits for all of it
 * @throws Error when it is still not so
 * @example
 * ```ts
 * import { eventually } from '@org/pg-testing'
 *
 * const started = Date.now()
 * await eventually(() => Date.now() > started)
 * ```
 */
export async function eventually(
  condition: () => Promise<boolean> | boolean,
  patienceMs = 60_000,
): Promise<void> {
  const began = performance.now()
  while (!(await condition())) {
    const waited = performance.now() - began
    if (waited > patienceMs) throw new Error(`still not so after ${patienceMs} ms: ${condition}`)
    // Not at every turn of the loop, and less often the longer it takes: whoever is waited for needs the processor, too.
    await delay(Math.min(20, 2 + waited / 20))
  }
}

/**
 * The code a promise rejects with.
 * @throws Error when it does not reject
 * @example
 * ```ts
 * import { codeOf } from '@org/pg-testing'
 *
 * console.log(await codeOf(Promise.reject(Object.assign(new Error(), { code: 'CONFLICT' })))) // CONFLICT
 * ```
 */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`)
    },
    (reason: unknown) => reason,
  )
  return (error as { code: string }).code
}
