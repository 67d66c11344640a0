import { aborted } from '../errors/from-scope.ts'

/** @throws TenancyError ABORTED */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal)
}

/** The same promise, given up when the caller aborts; what it comes to later is of no interest then. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise
  let stop = () => {}
  const gone = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal))
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    throwIfAborted(signal)
    return await Promise.race([promise, gone])
  } finally {
    signal.removeEventListener('abort', stop)
    promise.catch(() => {})
    gone.catch(() => {})
  }
}
