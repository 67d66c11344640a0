import { EXIT, type ExitCode } from './exit-codes.ts'

/** What the command itself finds wrong, beside the codes of the library. */
export type CliErrorCode = 'USAGE' | 'CONFIGURATION' | 'REFUSED' | 'NOT_AVAILABLE' | 'INTERRUPTED'

const EXITS: Readonly<Record<CliErrorCode, ExitCode>> = {
  USAGE: EXIT.usage,
  CONFIGURATION: EXIT.configuration,
  REFUSED: EXIT.refused,
  NOT_AVAILABLE: EXIT.unavailable,
  INTERRUPTED: EXIT.interrupted,
}

/** An error of the command line itself. The message says what to do and holds no values. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: CliErrorCode

  constructor(code: CliErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }

  get exitCode(): ExitCode {
    return EXITS[this.code]
  }
}

export const usage = (message: string): CliError => new CliError('USAGE', message)
