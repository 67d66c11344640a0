import type { Finding } from './types.ts'

export const stopped = (evidence: string): Finding => ({ verdict: 'stopped', evidence })
export const open = (evidence: string): Finding => ({ verdict: 'open', evidence })
export const notApplicable = (evidence: string): Finding => ({ verdict: 'not applicable', evidence })

/** How a promise ended. */
export type Settled<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown }

export async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { ok: true, value: await promise }
  } catch (error) {
    return { ok: false, error }
  }
}

/** As `settle`, or `pending` when it takes longer than `ms`: how a deadlock shows. */
export async function settleWithin<T>(ms: number, promise: Promise<T>): Promise<Settled<T> | 'pending'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'pending'>((resolve) => {
    timer = setTimeout(resolve, ms, 'pending')
  })
  try {
    return await Promise.race([settle(promise), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The code of an error, or its message: what a caller can tell it by. */
export function nameOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'string' && code !== '') return code
  return typeof message === 'string' ? message.slice(0, 120) : String(error)
}

/** `refused (CODE)` or `ran`. */
export function tell(settled: Settled<unknown>): string {
  return settled.ok ? 'it ran' : `refused (${nameOf(settled.error)})`
}
