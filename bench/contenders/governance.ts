import { randomBytes, randomUUID } from 'node:crypto'
import type { TenantQueryable } from '@org/core'
import { auditLog } from '@org/governance/audit'
import { idempotency } from '@org/governance/idempotency'
import { rateLimit } from '@org/governance/rate-limit'
import { usage } from '@org/governance/usage'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Contender } from '../measure/interleave.ts'

export const GOVERNED = {
  plain: 'a scope that inserts a row',
  audit: 'the same with an audit entry',
  metered: 'the same, metered',
  once: 'the same, idempotent',
  bareEntry: 'the same with a bare INSERT as wide as an audit entry',
  bareUse: 'the same with a bare INSERT as wide as a use',
  bareKey: 'the same with a bare INSERT and UPDATE by a key',
} as const

/** The least that writing beside can be: no policy, no partitions, no index, nothing checked. */
export const FLOOR = `create schema floor;
  create table floor.entry (id uuid, tenant text, actor_type text, actor_id text, action text, entity_type text, entity_id text,
    request_id text, changes jsonb, metadata jsonb, personal text, mac text, created_at timestamptz default clock_timestamp());
  create table floor.use (tenant text, request_id text, action text, part integer, amount bigint);
  grant usage on schema floor to public;
  grant insert on all tables in schema floor to public`
export const FLOOR_MIGRATION = {
  id: '0002_floor',
  sql: `create table floor_key (principal text, handler text, key text, fingerprint bytea, answer text,
    primary key (principal, handler, key))`,
}
const BARE = {
  entry: `insert into floor.entry (id, tenant, actor_type, actor_id, action, entity_type, entity_id, request_id, changes, metadata,
    personal, mac) values ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::jsonb, $10::jsonb,
    $11::text, $12::text)`,
  use: `insert into floor.use (tenant, request_id, action, part, amount)
    values ($1::text, $2::text, $3::text, $4::integer, $5::bigint)`,
  claim: `insert into floor_key (principal, handler, key, fingerprint) values ($1::text, $2::text, $3::text, $4::bytea)`,
  keep: `update floor_key set answer = $4::text where principal = $1::text and handler = $2::text and key = $3::text`,
} as const
const MAC = `k1:${randomBytes(32).toString('base64url')}`
const DIGEST = randomBytes(32)

const TENANT = 'acme'
const body = (db: TenantQueryable) => db.query('insert into notes (body) values ($1)', [randomUUID()])

/** One tenant's writers, with and without what is written beside. */
export function governedContenders(tenancy: Tenancy): Contender[] {
  const audit = auditLog({ keys: { k1: randomBytes(32) } })
  const used = usage({ key: randomBytes(32) })
  // What sealing costs is measured in the suite crypto.
  const sealing = { seal: (text: string) => text, open: (text: string) => text }
  const idempotent = idempotency({ scopes: tenancy, sealing })
  const scope = (beside: (db: TenantDb) => Promise<unknown>) => () =>
    tenancy.withTenant(TENANT, async (db) => {
      await body(db)
      await beside(db)
    })
  const bare = (db: TenantDb, name: keyof typeof BARE, values: readonly unknown[]) =>
    db.queue({ name: `floor_${name}`, text: BARE[name], values, steady: true })
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
    {
      name: GOVERNED.bareEntry,
      run: scope((db) => {
        const entity = [
          'note',
          randomUUID(),
          randomUUID(),
          '{"body":{"to":"a body of some length"}}',
          null,
          null,
          MAC,
        ]
        return bare(db, 'entry', [randomUUID(), TENANT, 'user', 'u1', 'notes.note.create', ...entity])
      }),
    },
    {
      name: GOVERNED.bareUse,
      run: scope((db) => bare(db, 'use', [TENANT, randomUUID(), 'notes.note.create', 0, 1])),
    },
    {
      name: GOVERNED.bareKey,
      run: () =>
        tenancy.withTenant(TENANT, async (db) => {
          const key = ['user:u1', 'notes.note.create', randomUUID()]
          await bare(db, 'claim', [...key, DIGEST])
          await body(db)
          await bare(db, 'keep', [...key, '{"id":1}'])
        }),
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
