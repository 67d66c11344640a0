import { randomBytes, randomUUID } from 'node:crypto'
import type { TenantQueryable } from '@org/core'
import { auditLog } from '@org/governance/audit'
import { idempotency } from '@org/governance/idempotency'
import { rateLimit } from '@org/governance/rate-limit'
import { usage } from '@org/governance/usage'
import type { Tenancy } from '@org/pg-tenant'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Contender } from '../measure/interleave.ts'

export const GOVERNED = {
  plain: 'a scope that inserts a row',
  audit: 'the same with an audit entry',
  metered: 'the same, metered',
  once: 'the same, idempotent',
} as const

const TENANT = 'acme'
const body = (db: TenantQueryable) => db.query('insert into notes (body) values ($1)', [randomUUID()])

/** One tenant's writers, with and without what is written beside. */
export function governedContenders(tenancy: Tenancy): Contender[] {
  const audit = auditLog({ keys: { k1: randomBytes(32) } })
  const used = usage({ key: randomBytes(32) })
  // What sealing costs is measured in the suite crypto.
  const sealing = { seal: (text: string) => text, open: (text: string) => text }
  const idempotent = idempotency({ scopes: tenancy, sealing })
  const scope = (beside: (db: TenantQueryable) => Promise<unknown>) => () =>
    tenancy.withTenant(TENANT, async (db) => {
      await body(db)
      await beside(db)
    })
  return [
    { name: GOVERNED.plain, run: scope(async () => {}) },
    {
      name: GOVERNED.audit,
      run: scope((db) =>
        audit.record(db, {
          actor: { type: 'user', id: 'u1' },
          action: 'notes.note.create',
          entity: { type: 'note', id: randomUUID() },
          after: { body: 'a body of some length' },
          requestId: randomUUID(),
        }),
      ),
    },
    {
      name: GOVERNED.metered,
      run: scope((db) => used.meter(db, { requestId: randomUUID(), action: 'notes.note.create' })),
    },
    {
      name: GOVERNED.once,
      run: () =>
        idempotent.once(
          {
            tenant: TENANT,
            principal: 'user:u1',
            handler: 'notes.note.create',
            key: randomUUID(),
            fingerprint: { method: 'POST', url: '/v1/notes', body: { body: 'x' } },
          },
          async (db) => {
            await body(db)
            return '{"id":1}'
          },
        ),
    },
  ]
}

export const LIMIT = {
  ours: 'rate-limit decision, a new key',
  known: 'rate-limit decision, a known key',
  flexible: 'rate-limiter-flexible in memory, a new key',
} as const

/** How many decisions one run of a contender takes. */
export const DECISIONS = 1_000

export function limitContenders(): Contender[] {
  const limiter = rateLimit({ categories: { api: { limit: 100, seconds: 1 } } })
  const flexible = new RateLimiterMemory({ points: 100, duration: 1 })
  let n = 0
  const times = (work: () => unknown) => async () => {
    for (let at = 0; at < DECISIONS; at++) await work()
  }
  const sync = (work: () => unknown) => async () => {
    for (let at = 0; at < DECISIONS; at++) work()
  }
  return [
    { name: LIMIT.ours, run: sync(() => limiter.decide({ tenant: `t${n++}` }, 'api')) },
    { name: LIMIT.known, run: sync(() => limiter.decide({ tenant: TENANT }, 'api')) },
    { name: LIMIT.flexible, run: times(() => flexible.consume(`t${n++}`)) },
  ]
}
