import { isTenancyError, TenancyError } from '@org/core'
import { driverError, withDriverError } from '../errors/server-error.ts'

/** Whose pool administers. */
export type Administrator = 'given' | 'none given' | 'the same pool'

const WHO: Readonly<Record<Exclude<Administrator, 'given'>, string>> = {
  'none given':
    "createTenancy was given no adminPool, so the application's pool was used for this, and its role may not do it.",
  'the same pool':
    "adminPool is the application's own pool, so one role is both, and what one of them needs the other must not have.",
}

const REMEDY =
  'Give the administrator a role and a pool of its own: CREATE ROLE tenant_admin LOGIN CREATEROLE (level database: also ' +
  'CREATEDB); GRANT CREATE ON DATABASE … TO tenant_admin; createTenancy({ pool, adminPool }). The application keeps a role with ' +
  'NOINHERIT and none of these.'

/** What a role lacks, said to somebody who never said which role it is to be. Other errors stay as they are. */
export function withAdministrator(error: unknown, administrator: Administrator): unknown {
  if (administrator === 'given' || !isTenancyError(error, 'INVALID_OPTION')) return error
  const { details, message } = error
  if (details.option !== 'adminPool' && details.role === undefined) return error
  const said = new TenancyError(
    'INVALID_OPTION',
    `${WHO[administrator]} ${REMEDY} What was found: ${message}`,
    {
      details: { ...details, option: 'adminPool' },
    },
  )
  return withDriverError(said, driverError(error))
}
