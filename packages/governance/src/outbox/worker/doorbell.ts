/** Waits until somebody rings, or a time is over; ringing before somebody waits counts. */
export function doorbell(): { ring(): void; rung(within?: number): Promise<void> } {
  let rang = false
  let waiting: (() => void) | undefined
  return {
    ring: () => {
      rang = true
      waiting?.()
    },
    rung: async (within) => {
      if (!rang) {
        await new Promise<void>((resolve) => {
          const timer = within === undefined ? undefined : setTimeout(resolve, within)
          waiting = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      // What else ends in this turn of the loop comes along.
      await new Promise((resolve) => setImmediate(resolve))
      rang = false
      waiting = undefined
    },
  }
}
