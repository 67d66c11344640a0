import { TenancyError } from '../tenancy-error.ts'

/** Two trusted places of one request name two tenants. Which ones is not said. */
export function mismatch(): TenancyError {
  return new TenancyError(
    'TENANT_MISMATCH',
    'The request names two different tenants. Name it once, or the same everywhere (token, header, host, path).',
  )
}

/** The request can be read in more than one way, so it is not read at all. */
export function malformed(field: string, reason: string): TenancyError {
  return new TenancyError(
    'VALIDATION_ERROR',
    `The request is ambiguous or malformed: ${field} (${reason}).`,
    {
      details: { field, reason },
    },
  )
}

export function unauthorized(): TenancyError {
  return new TenancyError('UNAUTHORIZED', 'Send an access token or an API key: nothing here proves who asks.')
}

export function invalidToken(): TenancyError {
  return new TenancyError('INVALID_TOKEN', 'The token is not accepted. Sign in again to get a new one.')
}

export function unknownTenant(): TenancyError {
  return new TenancyError(
    'TENANT_NOT_FOUND',
    'There is no such tenant. Check its key; provision(key) makes one.',
  )
}

export function moving(): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    'The tenant is being moved to another cluster. Try again in a moment.',
    { details: { reason: 'moving', retryAfter: 1 } },
  )
}

export function suspended(): TenancyError {
  return new TenancyError('TENANT_SUSPENDED', 'The tenant is suspended; resume(key) ends that.')
}
