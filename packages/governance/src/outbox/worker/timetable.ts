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

/** Runs at the end of this turn of the loop, once for all calls; for those that come while it runs, once more. */
export function coalesced(run: () => Promise<void>, report: (error: unknown) => void): () => void {
  let asked = false
  let running = false
  const go = async () => {
    running = true
    while (asked) {
      asked = false
      await run().catch(report)
    }
    running = false
  }
  return () => {
    asked = true
    if (!running) setImmediate(() => void (running || go()))
  }
}
