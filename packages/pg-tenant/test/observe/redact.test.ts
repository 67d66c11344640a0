import { Writable } from 'node:stream'
import { TenancyError } from '@org/core'
import pino from 'pino'
import { describe, expect, it } from 'vitest'
import { type ErrorRecord, errorRecord, errorReporter, logOptions } from '../../src/observe/index.ts'

class MailRefused extends Error {}

/** A driver's error, as `pg` makes it: whole rows in it. */
const driver = () =>
  Object.assign(new Error('duplicate key: canary\n    at canary (canary.js:1:1)'), {
    code: '23505',
    detail: 'Key (email)=(canary) already exists.',
    where: 'canary',
  })

describe('errorRecord', () => {
  it('tells what our errors say, and of others only where and what kind', () => {
    const ours = new TenancyError('CONFLICT', 'Run it again.', {
      details: { sqlState: '40001' },
      cause: driver(),
    })
    expect(errorRecord(ours)).toMatchObject({
      type: 'TenancyError',
      code: 'CONFLICT',
      status: 409,
      message: 'Run it again.',
      details: { sqlState: '40001' },
      stack: expect.arrayContaining([expect.stringContaining('redact.test.ts')]),
      cause: { type: 'Error', code: '23505' },
    })
    const all = [ours, driver(), new MailRefused('canary'), 'canary', { canary: 'canary' }, null]
    expect(JSON.stringify(all.map(errorRecord))).not.toContain('canary')
    expect(errorRecord(new MailRefused('canary'))).toMatchObject({ type: 'MailRefused' })
  })

  it('is not deceived by a message that was changed, or an endless chain', () => {
    // The stack is written when it is first looked at.
    const changed = new Error('canary')
    expect(changed.stack).toContain('canary')
    changed.message = 'else'
    expect(errorRecord(changed)).toEqual({ type: 'Error' })
    const silent = new Error('canary\n    at canary')
    expect(silent.stack).toContain('canary')
    silent.message = ''
    expect(errorRecord(silent)).toEqual({ type: 'Error' })
    const round = new Error('canary')
    round.cause = round
    expect(JSON.stringify(errorRecord(round))).not.toContain('canary')
  })
})

describe('logOptions', () => {
  const lines: string[] = []
  const sink = new Writable({
    write: (chunk, _, done) => {
      lines.push(String(chunk))
      done()
    },
  })

  it('writes what is on the list, and nothing else', () => {
    const log = pino(logOptions(['invoiceId']), sink)
    log.error(
      { err: driver(), tenantId: 'acme', invoiceId: 7, body: 'canary', headers: { authorization: 'canary' } },
      'failed',
    )
    log.info({ error: { code: 'CONFLICT' }, status: 409, row: { email: 'canary' } }, 'request')
    log.info({ error: { code: 'canary', email: 'canary' } }, 'request')
    expect(lines.join('')).not.toContain('canary')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      tenantId: 'acme',
      invoiceId: 7,
      err: { code: '23505' },
      msg: 'failed',
    })
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ error: { code: 'CONFLICT' }, status: 409 })
  })
})

describe('errorReporter', () => {
  it('sends what is the server’s fault, redacted, and fails nobody', () => {
    const sent: [ErrorRecord, object][] = []
    const report = errorReporter((record, facts) => {
      sent.push([record, facts])
      throw new Error('tracker is down')
    })
    report(new TenancyError('VALIDATION_ERROR', 'no'), { requestId: 'r' })
    report(driver(), { requestId: 'r', tenantId: 'acme', body: 'canary' })
    expect(sent).toHaveLength(1)
    expect(sent[0]?.[1]).toEqual({ requestId: 'r', tenantId: 'acme' })
    expect(JSON.stringify(sent)).not.toContain('canary')
  })
})
