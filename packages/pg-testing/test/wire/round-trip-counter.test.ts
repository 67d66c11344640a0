import { describe, expect, it } from 'vitest'
import { RoundTripCounter } from '../../src/wire/round-trip-counter.ts'

/** Replays `>Type` (frontend), `<Type` (backend) and `>|Type`, a message whose two halves come apart. */
function replay(...script: readonly string[]): number {
  let trips = 0
  const counter = new RoundTripCounter(() => {
    trips += 1
  })
  counter.sent('Startup', true, true)
  counter.sent('PasswordMessage', true, true)
  for (const type of ['Authentication', 'ParameterStatus', 'ReadyForQuery']) counter.answered(type)
  for (const step of script) {
    if (step.startsWith('<')) counter.answered(step.slice(1))
    else if (step === '>head') counter.begins()
    else if (step.startsWith('>[')) counter.sent(step.slice(2), true, false)
    else if (step.startsWith('>]')) counter.sent(step.slice(2), false, true)
    else counter.sent(step.slice(1), true, true)
  }
  return trips
}

const QUERY = ['>Query', '<CommandComplete', '<ReadyForQuery']

describe('RoundTripCounter', () => {
  it.each<[string, number, string[]]>([
    ['login only', 0, []],
    ['one query', 1, QUERY],
    ['three awaited queries', 3, [...QUERY, ...QUERY, ...QUERY]],
    ['an unanswered query', 0, ['>Query']],
    ['Terminate', 1, [...QUERY, '>Terminate']],
    ['unasked messages', 0, ['>Query', '<NoticeResponse', '<NotificationResponse', '<ParameterStatus']],
    [
      'two groups in flight',
      1,
      [
        '>Parse',
        '>Sync',
        '>Parse',
        '>Sync',
        '<ParseComplete',
        '<ReadyForQuery',
        '<ParseComplete',
        '<ReadyForQuery',
      ],
    ],
    [
      'a group sent before the answer to the first is complete',
      1,
      [
        '>Parse',
        '>Sync',
        '<ParseComplete',
        '>Parse',
        '>Sync',
        '<ReadyForQuery',
        '<ParseComplete',
        '<ReadyForQuery',
      ],
    ],
    [
      'Flush, answered, then the rest',
      2,
      ['>Parse', '>Flush', '<ParseComplete', '>Bind', '>Execute', '>Sync', '<BindComplete', '<ReadyForQuery'],
    ],
    ['a message in two chunks', 1, ['>[Query', '>]Query', '<CommandComplete', '<ReadyForQuery']],
    [
      'one write of two queries, the second cut by the answer to the first',
      1,
      ['>Query', '>[Query', '<ReadyForQuery', '>]Query', '<ReadyForQuery'],
    ],
    [
      'the same, cut within the head',
      1,
      ['>Query', '>head', '<ReadyForQuery', '>Query', '<CommandComplete', '<ReadyForQuery'],
    ],
    [
      'COPY out',
      1,
      ['>Query', '<CopyOutResponse', '<CopyData', '<CopyDone', '<CommandComplete', '<ReadyForQuery'],
    ],
    [
      'COPY in, then a query',
      3,
      [
        '>Query',
        '<CopyInResponse',
        '>CopyData',
        '>CopyData',
        '>CopyDone',
        '<CommandComplete',
        '<ReadyForQuery',
        ...QUERY,
      ],
    ],
    [
      'COPY in without waiting',
      1,
      ['>Query', '>CopyData', '<CopyInResponse', '>CopyDone', '<CommandComplete', '<ReadyForQuery'],
    ],
    [
      'COPY in by the extended protocol, whose first Sync is ignored',
      3,
      [
        '>Parse',
        '>Execute',
        '>Sync',
        '<CopyInResponse',
        '>CopyData',
        '>CopyDone',
        '>Sync',
        '<ReadyForQuery',
        ...QUERY,
      ],
    ],
    [
      'COPY in that fails midway',
      3,
      ['>Query', '<CopyInResponse', '>CopyData', '<ErrorResponse', '<ReadyForQuery', '>CopyDone', ...QUERY],
    ],
  ])('%s: %i', (_name, trips, script) => {
    expect(replay(...script)).toBe(trips)
  })

  it('knows whether the server will report by itself', () => {
    const counter = new RoundTripCounter(() => {})
    counter.answered('ReadyForQuery')
    expect(counter.serverBusy).toBe(false)
    counter.sent('Query', true, true)
    expect(counter.serverBusy).toBe(true)
    counter.answered('CopyInResponse')
    expect(counter.serverBusy).toBe(false)
    counter.sent('CopyDone', true, true)
    expect(counter.serverBusy).toBe(true)
    counter.answered('ReadyForQuery')
    expect(counter.serverBusy).toBe(false)
  })
})
