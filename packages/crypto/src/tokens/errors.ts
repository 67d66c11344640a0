import { TenancyError } from '@org/core'

/**
 * The one answer to every token that is not accepted, whatever the reason: a text that told a bad signature from an
 * unknown key or a wrong claim would help whoever is trying tokens out. It never has a cause.
 */
export function invalidToken(): TenancyError {
  return new TenancyError('INVALID_TOKEN', 'The token is not accepted. Sign in again to get a new one.')
}

/** Said only of a token that would have been accepted earlier, so that a client knows when to refresh. */
export function tokenExpired(): TenancyError {
  return new TenancyError('TOKEN_EXPIRED', 'The token has expired. Get a new one with the refresh token.')
}

/** The set-up is mistaken. */
export function invalidOption(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${option}" must be ${expected}.`, {
    details: { option },
  })
}

/** What a caller wants to store or put into a token is mistaken; names the field, never its value. */
export function invalidField(field: string, expected: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `"${field}" must be ${expected}.`, { details: { field } })
}

/** A key cannot be used. Without a cause: OpenSSL's texts may describe the key. */
export function keyInvalid(expected: string): TenancyError {
  return new TenancyError('KEY_INVALID', `This token key cannot be used: ${expected}.`)
}

/** Something outside (the key server, the denylist's table) does not answer; `what` is a fixed text. */
export function unavailable(what: string, cause?: unknown): TenancyError {
  return new TenancyError('SERVICE_UNAVAILABLE', what, { cause })
}
