/** Work that comes round: each by itself, never twice at once. Failures are reported and the next time is not affected. */
export function timetable(
  entries: readonly (readonly [everyMs: number, run: () => Promise<void>])[],
  report: (error: unknown) => void,
): { begin(): void; end(): void } {
  let timers: ReturnType<typeof setInterval>[] = []
  return {
    begin: () => {
      if (timers.length > 0) return
      timers = entries.map(([every, run]) => {
        let busy = false
        return setInterval(() => {
          if (busy) return
          busy = true
          run()
            .catch(report)
            .finally(() => {
              busy = false
            })
        }, every)
      })
    },
    end: () => {
      for (const timer of timers) clearInterval(timer)
      timers = []
    },
  }
}
