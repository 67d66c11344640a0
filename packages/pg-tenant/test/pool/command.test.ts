import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commandOf } from '../../src/pool/command.ts'

describe('what is asked of a transaction', () => {
  it.each([
    ['BEGIN', { kind: 'begin', mode: {} }],
    ['begin work;', { kind: 'begin', mode: {} }],
    [
      '/* a */ -- b\n BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY DEFERRABLE',
      { kind: 'begin', mode: { isolationLevel: 'serializable', readOnly: true, deferrable: true } },
    ],
    ['start transaction read write', { kind: 'begin', mode: { readOnly: false } }],
    ['COMMIT', { kind: 'commit', chain: false }],
    ['END TRANSACTION', { kind: 'commit', chain: false }],
    ['commit and chain', { kind: 'commit', chain: true }],
    ['ROLLBACK;', { kind: 'rollback', chain: false }],
    ['abort and no chain', { kind: 'rollback', chain: false }],
    ['savepoint "A b";', { kind: 'savepoint', name: 'A b' }],
    ['SAVEPOINT Trx1', { kind: 'savepoint', name: 'trx1' }],
    ['rollback to trx1', { kind: 'rollbackTo', name: 'trx1' }],
    ['ROLLBACK WORK TO SAVEPOINT trx1', { kind: 'rollbackTo', name: 'trx1' }],
    ['release savepoint trx1', { kind: 'release', name: 'trx1' }],
    [
      'set transaction isolation level repeatable read',
      { kind: 'mode', mode: { isolationLevel: 'repeatable read' }, session: false },
    ],
    [
      'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
      { kind: 'mode', mode: { readOnly: true }, session: true },
    ],
    [`set time zone 'UTC'`, { kind: 'set', name: 'timezone', value: 'UTC', local: false }],
    [
      `SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE`,
      { kind: 'set', name: 'timezone', value: `interval '+02:00'`, local: false },
    ],
    ['SET LOCAL my.thing = 5', { kind: 'set', name: 'my.thing', value: '5', local: true }],
    ['set extra_float_digits to -1', { kind: 'set', name: 'extra_float_digits', value: '-1', local: false }],
    ['set datestyle = iso, dmy', { kind: 'set', name: 'datestyle', value: 'iso,dmy', local: false }],
    [`SET NAMES 'utf8'`, { kind: 'set', name: 'client_encoding', value: 'utf8', local: false }],
    ['set work_mem to default', { kind: 'reset', name: 'work_mem' }],
    ['reset all', { kind: 'reset', name: null }],
    ['DISCARD ALL', { kind: 'reset', name: null }],
  ])('%s', (text, command) => {
    expect(commandOf(text)).toEqual(command)
  })

  it.each([
    'select 1',
    'commit prepared $1',
    'begin read sideways',
    'set a, b to c',
    'rollback prepared $1',
    'prepare x as select 1',
    'listen x',
    'savepoint',
    "insert into t values ('begin')",
    'discard plans',
    '',
  ])('%s is none, or one that is refused later', (text) => {
    expect(commandOf(text)).toBeUndefined()
  })

  it('reads anything without failing in a way of its own', () => {
    const word = fc.constantFrom(
      'begin',
      'commit',
      'set',
      'to',
      'local',
      'savepoint',
      '"x"',
      'x',
      ';',
      '=',
      "'v'",
      '--',
      '\n',
      'rollback',
    )
    fc.assert(fc.property(fc.array(word, { maxLength: 8 }), (words) => void commandOf(words.join(' '))))
  })
})
