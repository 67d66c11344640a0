import { TestPostgresError } from './error.ts'
import type { PostgresMajor, StartPostgresOptions } from './types.ts'

const MAJORS: readonly PostgresMajor[] = [15, 16, 17, 18]
const DEFAULT_MAJOR: PostgresMajor = 18

/**
 * The major version that the options mean when they name no installation of their own.
 * @throws TestPostgresError `INVALID_OPTION`
 */
export function wantedMajor(options: StartPostgresOptions): PostgresMajor {
  return options.version ?? majorFromEnvironment() ?? DEFAULT_MAJOR
}

function majorFromEnvironment(): PostgresMajor | undefined {
  const text = process.env.TEST_PG_VERSION
  if (!text) return undefined
  const major = MAJORS.find((known) => String(known) === text)
  if (major) return major
  throw new TestPostgresError(
    'INVALID_OPTION',
    `TEST_PG_VERSION is ${text}, must be one of ${MAJORS.join(', ')}`,
  )
}
