import { expect, it } from 'vitest'
import { fromConnectError } from '../../src/errors/from-connect-error.ts'

/** As PgBouncer 1.18 says it: each under the code of a protocol violation. */
const saidByPooler = (message: string) =>
  fromConnectError(Object.assign(new Error(message), { code: '08P01', severity: 'FATAL' }))

it.each([
  ['no such database: shop', "database's name"],
  ['password authentication failed', 'user and the password'],
  ['SSL required', 'give this one ssl'],
  ['unsupported startup parameter: options', 'ALTER ROLE … SET'],
])('a pooler that says %o will say it again', (said, todo) => {
  const { code, message } = saidByPooler(said)
  expect([code, message]).toEqual(['INVALID_OPTION', expect.stringContaining(todo)])
  expect(message).not.toContain('shop')
})

it.each(['pgbouncer cannot connect to server', 'query_wait_timeout', 'the database system is starting up'])(
  'control: a pooler that says %o may be asked again',
  (said) => expect(saidByPooler(said).code).toBe('CONNECTION_LOST'),
)
