/** An ErrorResponse as `pg` hands it over (manual 54.8). Holds values: never shown, logged or rethrown. */
export interface ServerError extends Error {
  readonly severity: string
  readonly code: string
  readonly position?: string
  /** The same in SQL that a function executes. */
  readonly internalPosition?: string
  readonly internalQuery?: string
  /** The context: one line for each call, the innermost first. */
  readonly where?: string
  readonly schema?: string
  readonly table?: string
  readonly column?: string
  readonly constraint?: string
  readonly dataType?: string
  readonly routine?: string
}

/** Whether the error came from the server as an ErrorResponse, not from the driver or the socket. */
export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && typeof (error as Partial<ServerError>).severity === 'string'
}
