/**
 * Runs `work` over items as they come, at most `lanes` at a time. When one throws, no more are begun, those under
 * way are waited for, and then it is thrown on.
 *
 * @param items a generator, because those let several callers ask for the next item at once
 * @param goOn asked before each item is fetched
 */
export async function inLanes<T>(
  items: AsyncGenerator<T>,
  lanes: number,
  goOn: () => boolean,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let index = 0
  let failed = false
  const lane = async (): Promise<void> => {
    try {
      while (!failed && goOn()) {
        const { done, value } = await items.next()
        if (done) return
        await work(value, index++)
      }
    } catch (error) {
      failed = true
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane))
  await items.return(undefined)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
