import { type ErrorDetails, isTenancyError } from '@org/core'
import { CliError } from '../cli-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { commandsForCalls } from './commands-for-calls.ts'
import { headline } from './locale.ts'
import type { Output } from './output.ts'
import { safeText } from './safe-text.ts'

/** An error as far as it may be shown: no message of anybody else's, which could hold values. */
export interface ShownError {
  readonly code: string
  readonly headline: string
  readonly message: string
  readonly details: ErrorDetails
  readonly exitCode: ExitCode
}

export function shown(error: unknown, output: Pick<Output, 'locale'>): ShownError {
  if (isTenancyError(error)) {
    const { code, message, details } = error
    // What another isolation level could do is no mistake in the configuration.
    const here = code === 'INVALID_OPTION' && details.option === 'isolation'
    const exitCode = here ? EXIT.unavailable : exitCodeOf(code)
    const title = headline(here ? 'NOT_AVAILABLE' : code, output.locale)
    return { code, headline: title, message: commandsForCalls(message), details, exitCode }
  }
  if (error instanceof CliError) {
    const { code, message, exitCode } = error
    return { code, headline: headline(code, output.locale), message, details: {}, exitCode }
  }
  return {
    code: 'INTERNAL_ERROR',
    headline: headline('INTERNAL_ERROR', output.locale),
    message: `${nameOf(error)}. Its text is not shown because it may hold values; --debug shows it.`,
    details: {},
    exitCode: EXIT.internal,
  }
}

/** Says what went wrong and what to do; the stack only with `--debug`. */
export function reportError(error: unknown, output: Output): ExitCode {
  const { code, headline, message, details, exitCode } = shown(error, output)
  if (output.json) output.event({ error: { code, message, details, exitCode } })
  else {
    output.complain(`${output.paint('red', code, 'stderr')}: ${headline}`)
    output.complain(`  ${message}`)
    for (const [name, value] of Object.entries(details)) {
      if (value !== null) output.complain(`  ${name}: ${safeText(String(value))}`)
    }
  }
  if (output.debug) output.complain(stackOf(error))
  return exitCode
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Something that is no error was thrown'
  const { code } = error as { code?: unknown }
  const known = typeof code === 'string' && /^[A-Z0-9_]{3,40}$/.test(code)
  return /^\w{1,40}$/.test(error.name) ? `${error.name}${known ? ` (${code})` : ''}` : 'An error'
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
