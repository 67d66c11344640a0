/** Conditions that these packages act on, or that people meet most, by PostgreSQL's names (manual, appendix A). */
export const SQLSTATE = {
  PROTOCOL_VIOLATION: '08P01',
  FEATURE_NOT_SUPPORTED: '0A000',
  STRING_DATA_RIGHT_TRUNCATION: '22001',
  NUMERIC_VALUE_OUT_OF_RANGE: '22003',
  INVALID_DATETIME_FORMAT: '22007',
  DIVISION_BY_ZERO: '22012',
  CHARACTER_NOT_IN_REPERTOIRE: '22021',
  INVALID_PARAMETER_VALUE: '22023',
  INVALID_ESCAPE_SEQUENCE: '22025',
  INVALID_REGULAR_EXPRESSION: '2201B',
  INVALID_TEXT_REPRESENTATION: '22P02',
  RESTRICT_VIOLATION: '23001',
  NOT_NULL_VIOLATION: '23502',
  FOREIGN_KEY_VIOLATION: '23503',
  UNIQUE_VIOLATION: '23505',
  CHECK_VIOLATION: '23514',
  EXCLUSION_VIOLATION: '23P01',
  ACTIVE_SQL_TRANSACTION: '25001',
  READ_ONLY_SQL_TRANSACTION: '25006',
  NO_ACTIVE_SQL_TRANSACTION: '25P01',
  IN_FAILED_SQL_TRANSACTION: '25P02',
  IDLE_IN_TRANSACTION_SESSION_TIMEOUT: '25P03',
  TRANSACTION_TIMEOUT: '25P04',
  INVALID_SQL_STATEMENT_NAME: '26000',
  INVALID_AUTHORIZATION_SPECIFICATION: '28000',
  INVALID_PASSWORD: '28P01',
  INVALID_CURSOR_NAME: '34000',
  INVALID_SAVEPOINT_SPECIFICATION: '3B001',
  INVALID_CATALOG_NAME: '3D000',
  INVALID_SCHEMA_NAME: '3F000',
  SERIALIZATION_FAILURE: '40001',
  DEADLOCK_DETECTED: '40P01',
  INSUFFICIENT_PRIVILEGE: '42501',
  SYNTAX_ERROR: '42601',
  DUPLICATE_COLUMN: '42701',
  UNDEFINED_COLUMN: '42703',
  UNDEFINED_OBJECT: '42704',
  DUPLICATE_OBJECT: '42710',
  DUPLICATE_FUNCTION: '42723',
  WRONG_OBJECT_TYPE: '42809',
  UNDEFINED_FUNCTION: '42883',
  UNDEFINED_TABLE: '42P01',
  DUPLICATE_SCHEMA: '42P06',
  DUPLICATE_TABLE: '42P07',
  DISK_FULL: '53100',
  OUT_OF_MEMORY: '53200',
  TOO_MANY_CONNECTIONS: '53300',
  CONFIGURATION_LIMIT_EXCEEDED: '53400',
  PROGRAM_LIMIT_EXCEEDED: '54000',
  OBJECT_NOT_IN_PREREQUISITE_STATE: '55000',
  OBJECT_IN_USE: '55006',
  LOCK_NOT_AVAILABLE: '55P03',
  UNSAFE_NEW_ENUM_VALUE_USAGE: '55P04',
  QUERY_CANCELED: '57014',
  ADMIN_SHUTDOWN: '57P01',
  CRASH_SHUTDOWN: '57P02',
  CANNOT_CONNECT_NOW: '57P03',
  RAISE_EXCEPTION: 'P0001',
  ASSERT_FAILURE: 'P0004',
  INTERNAL_ERROR: 'XX000',
} as const

/**
 * The SQLSTATE of what PostgreSQL answered, whether it is a driver's error (`code`) or a coded one that was made of it
 * (`details.sqlState`).
 *
 * @returns `undefined` where the server did not answer
 * @example
 * ```ts
 * import { SQLSTATE, sqlStateOf, TenancyError } from '@org/core'
 *
 * sqlStateOf(Object.assign(new Error(), { code: '40P01' })) === SQLSTATE.DEADLOCK_DETECTED // → true
 * sqlStateOf(new TenancyError('DATABASE_ERROR', 'No such table.', { details: { sqlState: '42P01' } })) // → '42P01'
 * sqlStateOf(Object.assign(new Error(), { code: 'EPIPE' })) // → undefined
 * ```
 */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, details } = (error ?? {}) as { code?: unknown; details?: { sqlState?: unknown } | null }
  const state = details?.sqlState ?? code
  // Five letters from E on are the operating system's: EPIPE, EPERM.
  return typeof state === 'string' && /^(?!E[A-Z]{4}$)[0-9A-Z]{5}$/.test(state) ? state : undefined
}
