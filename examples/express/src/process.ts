import type { Logger } from 'pino'

/**
 * Says that the process listens, and ends it when it is told to: by a signal, or when whoever started it beside others (with a
 * channel to it) is no longer there.
 *
 * @param stop each of its steps waits for the one before
 */
export function untilStopped(
  { log, port }: { readonly log: Logger; readonly port: number },
  stop: () => Promise<void>,
): void {
  let stopping = false
  const end = (why: string) => {
    // A package manager passes Ctrl-C on, so it comes twice.
    if (stopping) return
    stopping = true
    log.info({ signal: why }, 'finishing what is in flight')
    void stop().then(() => {
      log.info('stopped')
      if (process.connected) process.disconnect()
    })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(signal))
  process.on('disconnect', () => end('disconnect'))
  log.info({ port }, 'listening')
  process.send?.({ listening: port })
}
