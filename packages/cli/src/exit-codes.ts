import type { ErrorCode } from '@org/core'

/** What the command's exit code says; part of the public interface (README). */
export const EXIT = {
  ok: 0,
  /** Done, and something was found or failed: a check, a tenant, a statement. */
  failed: 1,
  /** The command line is not right. Nothing was done. */
  usage: 2,
  /** The configuration, an option of it or a key is not right. Nothing was done. */
  configuration: 3,
  /** No connection to the database, or it was lost. Safe to repeat. */
  connection: 4,
  /** Refused as things stand: no such tenant, a conflict, something exists already. Nothing was changed. */
  refused: 5,
  /** This version or isolation level cannot do that. */
  unavailable: 6,
  /** The connection was lost at COMMIT: look, then repeat. */
  unknown: 7,
  /** A defect of the program. */
  internal: 70,
  /** Stopped by Ctrl-C (128 + SIGINT). */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const OF_CODE: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID_TENANT_KEY: EXIT.usage,
  INVALID_OPTION: EXIT.configuration,
  KEY_INVALID: EXIT.configuration,
  KEY_MISSING: EXIT.configuration,
  CONNECTION_LOST: EXIT.connection,
  POOL_EXHAUSTED: EXIT.connection,
  KEY_SERVICE_UNAVAILABLE: EXIT.connection,
  TENANT_NOT_FOUND: EXIT.refused,
  TENANT_SUSPENDED: EXIT.refused,
  NOT_FOUND: EXIT.refused,
  CONFLICT: EXIT.refused,
  DUPLICATE_RESOURCE: EXIT.refused,
  STATEMENT_REFUSED: EXIT.refused,
  KEY_IN_USE: EXIT.refused,
  UNKNOWN_OUTCOME: EXIT.unknown,
  ABORTED: EXIT.interrupted,
  INTERNAL_ERROR: EXIT.internal,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  return OF_CODE[code] ?? EXIT.failed
}
