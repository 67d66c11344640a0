import { expect, it } from 'vitest'
import { fromFailedCommit } from '../../src/errors/from-commit.ts'
import { fromDatabase } from '../../src/errors/from-database.ts'
import type { ServerError } from '../../src/errors/server-error.ts'
import { DEFAULTS } from '../../src/scope/options.ts'

const WORKER = 'while executing command on 10.0.0.2:5432'
const answer = (code: string, more: Partial<ServerError> = {}): ServerError =>
  Object.assign(new Error('said by the server'), { severity: 'ERROR', code, ...more })
const codeOf = (error: ServerError, notices: ServerError[] = [], distributed = true) =>
  fromFailedCommit(error, notices, { ...DEFAULTS, distributed, elapsed: 0 }).code

/** What Citus answers when a worker did not commit: no more than that it did not. */
const TORN = answer('XX000', { routine: 'RemoteTransactionCommit' })

it.each([
  ['a worker that went away', TORN, []],
  ['one that was shut down', TORN, [answer('57P01', { where: WORKER })]],
  ['one without room', TORN, [answer('53100', { where: WORKER })]],
  ['one that cannot be reached', answer('08006'), []],
  [
    'a conflict that the coordinator finds behind the workers',
    answer('40001', { routine: 'PreCommit_CheckForSerializationFailure' }),
    [],
  ],
  ['a warning of something else', TORN, [answer('01000', { where: WORKER })]],
  ['a warning that no worker gave', TORN, [answer('23505', { where: 'COPY t, line 1' })]],
  [
    'a warning that SQL of the tenant raised',
    TORN,
    [answer('23505', { where: WORKER, routine: 'exec_stmt_raise' })],
  ],
])('other nodes commit first: nobody knows after %s', (_, error, notices) => {
  expect(codeOf(error, notices)).toBe('UNKNOWN_OUTCOME')
})

it.each([
  ['a worker’s own refusal', TORN, [answer('40001', { where: `deep\n${WORKER}` })], 'CONFLICT'],
  ['a worker’s unique index', TORN, [answer('23505', { where: WORKER })], 'DUPLICATE_RESOURCE'],
  ['a deferred constraint here', answer('23505'), [], 'DUPLICATE_RESOURCE'],
  [
    'what a trigger raised, whatever it calls it',
    answer('XX000', { routine: 'exec_stmt_raise' }),
    [],
    'DATABASE_ERROR',
  ],
] as const)('and nothing is committed after %s', (_, error, notices, code) => {
  expect(codeOf(error, [...notices])).toBe(code)
})

it('a server by itself has rolled back, unless another one took part', () => {
  expect(codeOf(answer('XX000'), [], false)).toBe('DATABASE_ERROR')
  expect(codeOf(answer('40001'), [], false)).toBe('CONFLICT')
  expect(codeOf(answer('08006'), [], false)).toBe('UNKNOWN_OUTCOME')
})

it('a node of Citus that could not begin its part is CONNECTION_LOST; an internal error of any other routine stays what it is', () => {
  const of = (routine: string) => fromDatabase(answer('XX000', { routine })).code
  expect(of('MarkRemoteTransactionFailed')).toBe('CONNECTION_LOST')
  expect([of('exec_stmt_raise'), of('elog_finish')]).toEqual(['DATABASE_ERROR', 'DATABASE_ERROR'])
})
