import { isTenancyError, requireKnownOptions, TenancyError } from '@org/core'
import { driverError, withDriverError } from '../errors/driver-error.ts'
import { CALLS } from './option-names.ts'

/** Whose pool administers. */
export type Administrator = 'given' | 'none given' | 'the same pool'

const WHO: Readonly<Record<Exclude<Administrator, 'given'>, string>> = {
  'none given':
    "createTenancy was given no adminPool, so the application's pool was used for this, and its role may not do it.",
  'the same pool':
    "adminPool is the application's own pool, so one role is both, and what one of them needs the other must not have.",
}

const TODO =
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
    `${WHO[administrator]} ${TODO} What was found: ${message}`,
    {
      details: { ...details, option: 'adminPool' },
    },
  )
  return withDriverError(said, driverError(error))
}

type Call = (...args: never[]) => Promise<unknown>

/**
 * The administrative calls of a tenancy: options that there are not are refused before anything is sent, and what a role
 * lacks is said in terms of the pools that createTenancy was given.
 */
export function atTheEdge<T extends { readonly [name in keyof typeof CALLS]: Call }>(
  tenancy: T,
  administrator: Administrator,
): T {
  const edged = Object.keys(tenancy).flatMap((name): [string, unknown][] => {
    const call = tenancy[name as keyof typeof CALLS]
    if (typeof call !== 'function' || SYNCHRONOUS.has(name)) return []
    const [at, names] = CALLS[name as keyof typeof CALLS] ?? []
    const edge = async (...args: never[]): Promise<unknown> => {
      if (at !== undefined) requireKnownOptions(args[at], names)
      try {
        return await call(...args)
      } catch (error) {
        throw withAdministrator(error, administrator)
      }
    }
    return [[name, edge]]
  })
  return { ...tenancy, ...Object.fromEntries(edged) }
}

/** Calls that return at once, and those of every request. */
const SYNCHRONOUS: ReadonlySet<string> = new Set([
  'withTenant',
  'query',
  'open',
  'pool',
  'pg',
  'schemaOf',
  'lookup',
])
