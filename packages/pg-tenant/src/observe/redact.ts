import { type ErrorDetails, isTenancyError } from '@org/core'

/** What may be told of an error. */
export interface ErrorRecord {
  /** The class. */
  readonly type: string
  readonly code?: string
  readonly status?: number
  /** Of a `TenancyError` alone: what others write into a message is anybody's guess. */
  readonly message?: string
  readonly details?: ErrorDetails
  /** Where it was made: functions, files and lines. */
  readonly stack?: readonly string[]
  readonly cause?: ErrorRecord
}

const MAX_FRAMES = 30
const MAX_CAUSES = 5

/**
 * An error as it may be logged or sent to an error tracker: an allow-list. A message, a `detail` or a `where` of the driver's can
 * hold whole rows, one of the application's whatever it was made of, so of an error that is not ours only its class, a code as
 * Node and PostgreSQL have them, and the frames of its stack remain.
 *
 * @example
 * ```ts
 * import { errorRecord } from '@org/pg-tenant/observe'
 * import pino from 'pino'
 *
 * const log = pino({ serializers: { err: errorRecord } })
 * const error = await tenancy.query('acme', 'select * from nothing').catch((error: unknown) => error)
 * errorRecord(error).code // → 'DATABASE_ERROR'
 * ```
 */
export function errorRecord(error: unknown): ErrorRecord {
  return recordOf(error, MAX_CAUSES)
}

function recordOf(error: unknown, causes: number): ErrorRecord {
  if (!(error instanceof Error) && !isTenancyError(error)) return { type: typeof error }
  const stack = framesOf(error)
  const { cause } = error
  const shared = {
    ...(stack.length > 0 && { stack }),
    ...(cause !== undefined && causes > 0 && { cause: recordOf(cause, causes - 1) }),
  }
  if (isTenancyError(error)) {
    const { code, status, message, details } = error
    return { type: 'TenancyError', code, status, message, details, ...shared }
  }
  const { code } = error as { readonly code?: unknown }
  // Of Node and OpenSSL (ECONNRESET, ERR_…) and SQLSTATEs.
  const known = typeof code === 'string' && /^[A-Z0-9][A-Z0-9_]{2,60}$/.test(code)
  return { type: error.constructor?.name || 'Error', ...(known && { code }), ...shared }
}

/** As V8 writes it in front of the message: `TypeError: `, `TypeError [ERR_X]: `. */
const HEAD = /^[\w$.]{1,100}(?: \[\w{1,100}\])?/

/** The message stands in front of the frames, and can have lines that look like them: it is cut off by its length. */
function framesOf({ stack, message }: Error): string[] {
  if (typeof stack !== 'string' || typeof message !== 'string') return []
  const [head = ''] = HEAD.exec(stack) ?? []
  const begun = message === '' ? head : `${head}: ${message}`
  // Changed since: nobody knows where the message in it ends.
  if (!stack.startsWith(`${begun}\n`)) return []
  return stack
    .slice(begun.length)
    .split('\n', MAX_FRAMES + 1)
    .filter((line) => /^ {4}at /.test(line))
    .map((line) => line.trim())
}

/** Facts that go with an error or a line of a log. */
export const LOGGED: readonly string[] = [
  'level',
  'time',
  'timestamp',
  'message',
  'requestId',
  'tenantId',
  'tenant',
  'actorType',
  'actorId',
  'method',
  'path',
  'route',
  'status',
  'latency_ms',
  'error',
  'err',
  'code',
  'sqlState',
  'operation',
  'fingerprint',
  'kind',
  'type',
  'id',
  'attempt',
  'attempts',
  'job',
  'ms',
  'waitMs',
  'rows',
  'readOnly',
  'statements',
  'slowest',
]

/**
 * Options for `pino`: only fields of an allow-list are written, errors as {@link errorRecord} has them. What somebody logs by
 * mistake (a body, headers, a row) is left out, not searched for secrets.
 *
 * @param more fields of yours
 * @example
 * ```ts
 * import { logOptions } from '@org/pg-tenant/observe'
 * import pino from 'pino'
 *
 * const log = pino(logOptions(['invoiceId']))
 * ```
 */
export function logOptions(more: readonly string[] = []): LogOptions {
  const allowed = new Set([...LOGGED, ...more])
  const serializers = {
    err: errorRecord,
    error: (value: unknown) => (isPlainCode(value) ? value : errorRecord(value)),
  }
  return {
    serializers,
    formatters: {
      log: (fields) => Object.fromEntries(Object.entries(fields).filter(([name]) => allowed.has(name))),
    },
  }
}

/** The part of pino's options that decides what is written. */
export interface LogOptions {
  readonly serializers: Record<string, (value: unknown) => unknown>
  readonly formatters: { log(fields: Record<string, unknown>): Record<string, unknown> }
}

/** As an access line has it: `{ code }`. */
function isPlainCode(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Error) return false
  const entries = Object.entries(value)
  return entries.length === 1 && entries[0]?.[0] === 'code' && /^[A-Z_]{1,60}$/.test(String(entries[0][1]))
}

/**
 * A hook for an error tracker: what clients did wrong (a status below 500) is not sent, the rest as {@link errorRecord} has it. What
 * `send` throws is dropped.
 *
 * @param send gets the error and the facts of {@link LOGGED} among those given
 * @example
 * ```ts
 * import { errorReporter } from '@org/pg-tenant/observe'
 *
 * const sent: object[] = []
 * const report = errorReporter((record, facts) => sent.push({ ...record, ...facts })) // Sentry.captureEvent({ extra })
 * report(new Error('no'), { requestId: 'r-1' })
 * sent.length // → 1
 * ```
 */
export function errorReporter(
  send: (record: ErrorRecord, facts: Readonly<Record<string, unknown>>) => void,
): (error: unknown, facts?: Readonly<Record<string, unknown>>) => void {
  const { formatters } = logOptions()
  return (error, facts = {}) => {
    if (isTenancyError(error) && error.status < 500) return
    try {
      send(errorRecord(error), formatters.log({ ...facts }))
    } catch {
      // Nothing to tell it to.
    }
  }
}
