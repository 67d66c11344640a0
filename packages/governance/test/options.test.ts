import { parseTenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { auditBelongings, auditLog, installAudit } from '../src/audit/index.ts'
import { createIdempotency as expressIdempotency } from '../src/idempotency/express/index.ts'
import { createIdempotency as fastifyIdempotency } from '../src/idempotency/fastify/index.ts'
import { createIdempotency as honoIdempotency } from '../src/idempotency/hono/index.ts'
import { idempotency } from '../src/idempotency/index.ts'
import { createIdempotency as nestIdempotency } from '../src/idempotency/nest/index.ts'
import { createJobs, installJobs } from '../src/jobs/index.ts'
import { forgetEvents, installOutbox, outbox, outboxBelongings, outboxControl } from '../src/outbox/index.ts'
import { createWorker } from '../src/outbox/worker/index.ts'
import { installPrivacy, privacy, privacyBelongings, subjectKeys } from '../src/privacy/index.ts'
import { rateLimit } from '../src/rate-limit/index.ts'
import { installRetention, retention, retentionBelongings } from '../src/retention/index.ts'
import { installUsage, usage, usageBelongings } from '../src/usage/index.ts'
import { webhooks } from '../src/webhooks/index.ts'

/** What calls are given in JavaScript, where no compiler looks. */
const misspelt = (name: string): never => ({ [name]: 1 }) as never

const ACME = parseTenantKey('acme')
const unused = { query: () => Promise.reject(new Error('sent')) }
const scopes = { withTenant: () => Promise.reject(new Error('opened')) }
const sealing = { seal: String, open: String }

describe('a misspelt option', () => {
  it.each([
    ['controlShema', 'controlSchema', async () => auditLog(misspelt('controlShema'))],
    ['reader', 'readers', () => installAudit(unused, misspelt('reader'))],
    ['leese', 'lease', async () => idempotency(misspelt('leese'))],
    ['maxAnswers', 'maxAnswer', async () => expressIdempotency(misspelt('maxAnswers'))],
    ['maxAnswers', 'maxAnswer', async () => fastifyIdempotency(misspelt('maxAnswers'))],
    ['maxAnswers', 'maxAnswer', async () => honoIdempotency(misspelt('maxAnswers'))],
    ['maxAnswers', 'maxAnswer', async () => nestIdempotency(misspelt('maxAnswers'))],
    ['pollIntervall', 'pollInterval', async () => createJobs(misspelt('pollIntervall'))],
    ['runner', 'runners', () => installJobs(unused, misspelt('runner'))],
    ['type', 'types', async () => outbox(misspelt('type'))],
    ['worker', 'workers', () => installOutbox(unused, misspelt('worker'))],
    ['handlerTimeOut', 'handlerTimeout', async () => createWorker(misspelt('handlerTimeOut'))],
    ['onErase_', 'onErase', async () => privacy(misspelt('onErase_'))],
    ['maxKey', 'maxKeys', async () => subjectKeys(misspelt('maxKey'))],
    ['controlShema', 'controlSchema', () => installPrivacy(unused, misspelt('controlShema'))],
    ['catagories', 'categories', async () => rateLimit(misspelt('catagories'))],
    ['profil', 'profile', async () => retention(misspelt('profil'))],
    ['controlShema', 'controlSchema', () => installRetention(unused, misspelt('controlShema'))],
    ['controlShema', 'controlSchema', () => installUsage(unused, misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => usage(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => auditBelongings(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => outboxBelongings(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => outboxControl(unused, misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => privacyBelongings(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => retentionBelongings(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', async () => usageBelongings(misspelt('controlShema'))],
    ['controlShema', 'controlSchema', () => forgetEvents(unused, ACME, misspelt('controlShema'))],
    ['perEndpoints', 'perEndpoint', async () => webhooks(misspelt('perEndpoints'))],
  ])('%s is told by name, with %s, before anything is sent', async (option, nearest, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option, nearest } })
  })

  it('is told of a route', () => {
    const { idempotent } = expressIdempotency({ scopes, sealing })
    expect(() => idempotent('notes.create', misspelt('require'))).toThrow(
      expect.objectContaining({ details: { option: 'require', nearest: 'required' } }) as Error,
    )
  })
})
