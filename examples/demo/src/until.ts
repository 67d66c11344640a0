const PATIENCE = 120_000

/** Asks again until the answer is one, for two minutes at most. @returns the last answer */
export async function until<T>(ask: () => T | Promise<T>, isIt: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + PATIENCE
  for (;;) {
    const answer = await ask()
    if (isIt(answer) || performance.now() > end) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
