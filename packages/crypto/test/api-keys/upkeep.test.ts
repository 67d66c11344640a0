import { AsyncLocalStorage } from 'node:async_hooks'
import type { TenantQueryable } from '@org/core'
import { describe, expect, it } from 'vitest'
import { createApiKeys, type IssuedApiKey } from '../../src/api-keys/index.ts'
import { aName, failure, NEWER, PEPPER, recording, useKeyWorld } from './support.ts'

const clock = { ms: Date.parse('2030-01-01T00:00:00.000Z') }
const now = (): Date => new Date(clock.ms)
const keys = useKeyWorld({ now })
const { apiKeys, as } = keys

const issue = (): Promise<IssuedApiKey> =>
  as('acme', (db) => apiKeys.create(db, { name: aName(), profile: 'read-only' }))
const lastUsed = async (id: string) => (await as('acme', (db) => apiKeys.get(db, id))).lastUsedAt
const hashOf = async (id: string) => {
  const { rows } = await keys.tenancy.query<{ hash: string; pepper_id: string }>(
    'acme',
    'select hash, pepper_id from api_key where id = $1',
    [id],
  )
  return rows[0]
}
const writesOf = (sent: readonly string[]): number =>
  sent.filter((text) => /\bupdate api_key\b/.test(text)).length
const verifyAndCount = (key: string) =>
  as('acme', async (db) => {
    const log = recording(db)
    await apiKeys.verify(log.db, key)
    return writesOf(log.sent)
  })

/**
 * Runs `first` in a transaction that stays open, and `meanwhile` in others: a check that waits for the first fails when its
 * time for locks is over.
 */
async function whileHeld(
  first: (db: TenantQueryable) => Promise<unknown>,
  meanwhile: (another: Another) => Promise<void>,
): Promise<void> {
  const tenancy = keys.world.tenancy({ pool: keys.world.pool({ max: 6 }) })
  // A scope opened inside the first one would be a savepoint of it.
  const outside = AsyncLocalStorage.snapshot()
  await tenancy.withTenant('acme', async (slow) => {
    await first(slow)
    await outside(() => meanwhile((fn) => tenancy.withTenant('acme', fn)))
  })
}
type Another = <T>(fn: (db: TenantQueryable) => Promise<T>) => Promise<T>

describe('last_used_at', () => {
  it('is written at the first use, and then at most once a minute', async () => {
    const { key, record } = await issue()
    const first = now()
    expect([await verifyAndCount(key), await lastUsed(record.id)]).toEqual([1, first])
    clock.ms += 59_999
    expect([await verifyAndCount(key), await lastUsed(record.id)]).toEqual([0, first])
    clock.ms += 1
    expect([await verifyAndCount(key), await lastUsed(record.id)]).toEqual([1, now()])
  })

  it('does not touch updated_at, which is when somebody changed the key', async () => {
    const { key, record } = await issue()
    clock.ms += 5_000
    await verifyAndCount(key)
    expect((await as('acme', (db) => apiKeys.get(db, record.id))).updatedAt).toEqual(record.updatedAt)
  })

  it('is left alone in a read-only scope and above read committed, and the check works', async () => {
    const { key, record } = await issue()
    for (const options of [
      { readOnly: true },
      { isolationLevel: 'repeatable read' },
      { isolationLevel: 'serializable' },
    ] as const) {
      const sent = await keys.tenancy.withTenant(
        'acme',
        async (db) => {
          const log = recording(db)
          expect(await apiKeys.verify(log.db, key)).toMatchObject({ id: record.id })
          // The scope goes on working.
          await db.query('select 1')
          return log.sent
        },
        options,
      )
      expect(writesOf(sent)).toBe(0)
    }
    expect(await lastUsed(record.id)).toBeNull()
  })

  it('makes nobody wait: a request that holds the row goes on, and others pass', async () => {
    const { key, record } = await issue()
    await whileHeld(
      (db) => apiKeys.verify(db, key),
      async (another) => {
        const others = await Promise.all([1, 2, 3].map(() => another((db) => apiKeys.verify(db, key))))
        expect(others).toHaveLength(3)
        // What the first one wrote is not committed: the others neither waited for it nor wrote themselves.
        expect((await another((db) => apiKeys.get(db, record.id))).lastUsedAt).toBeNull()
      },
    )
    expect(await lastUsed(record.id)).toEqual(now())
  })

  it('of a hot key is written once by twenty at once', async () => {
    const { key } = await issue()
    const tenancy = keys.world.tenancy({ pool: keys.world.pool({ max: 10 }) })
    let written = 0
    await Promise.all(
      Array.from({ length: 20 }, () =>
        tenancy.withTenant('acme', async (db) => {
          await apiKeys.verify(
            {
              tenant: db.tenant,
              query: async (text, values) => {
                const result = await db.query<never>(text, values)
                if (text.includes('update api_key')) written += result.rowCount ?? 0
                return result
              },
            },
            key,
          )
        }),
      ),
    )
    expect(written).toBe(1)
  })
})

describe('a pepper change', () => {
  const both = createApiKeys({ peppers: [NEWER, PEPPER], now })

  it('hashes a key anew under the new pepper when it is used, and it goes on working without the old', async () => {
    const { key, record } = await issue()
    const before = await hashOf(record.id)
    expect(before).toMatchObject({ pepper_id: PEPPER.id })
    await as('acme', (db) => both.verify(db, key))
    const after = await hashOf(record.id)
    expect(after).toMatchObject({ pepper_id: NEWER.id })
    expect(after?.hash).not.toBe(before?.hash)
    const onlyNew = createApiKeys({ peppers: [NEWER], now })
    expect(await as('acme', (db) => onlyNew.verify(db, key))).toMatchObject({ id: record.id })
    const sent = await as('acme', async (db) => {
      const log = recording(db)
      await both.verify(log.db, key)
      return log.sent
    })
    expect(sent).toHaveLength(1)
  })

  it('waits in a read-only scope', async () => {
    const { key, record } = await issue()
    await keys.tenancy.withTenant('acme', (db) => both.verify(db, key), { readOnly: true })
    expect(await hashOf(record.id)).toMatchObject({ pepper_id: PEPPER.id })
  })

  it('makes nobody wait either', async () => {
    const { key, record } = await issue()
    await verifyAndCount(key)
    await whileHeld(
      (db) => both.verify(db, key),
      async (another) => {
        expect(await another((db) => both.verify(db, key))).toMatchObject({ id: record.id })
      },
    )
    expect(await hashOf(record.id)).toMatchObject({ pepper_id: NEWER.id })
  })

  it('does not put the secret before a rotation back in the place of the new one', async () => {
    const old = await issue()
    const fresh = await as('acme', (db) => apiKeys.rotate(db, old.record.id))
    expect(await as('acme', (db) => both.verify(db, old.key))).toMatchObject({ superseded: true })
    expect(await as('acme', (db) => both.verify(db, fresh.key))).toMatchObject({ superseded: false })
  })

  it('does not undo a rotation that came in between', async () => {
    const { key, record } = await issue()
    const rotated = await as('acme', async (db) => {
      let fresh: IssuedApiKey | undefined
      await both.verify(
        {
          tenant: db.tenant,
          query: async (text, values) => {
            const result = await db.query<never>(text, values)
            // Right after the look-up.
            fresh ??= await both.rotate(db, record.id, { overlap: 0 })
            return result
          },
        },
        key,
      )
      return fresh
    })
    expect(await as('acme', (db) => both.verify(db, rotated?.key))).toMatchObject({ id: record.id })
    expect(await failure(as('acme', (db) => both.verify(db, key)))).toMatchObject({ code: 'INVALID_TOKEN' })
  })

  it('says which peppers are still needed, also by an overlap', async () => {
    const use = () => as('globex', (db) => both.peppersInUse(db))
    const onTime = createApiKeys({ peppers: [PEPPER] })
    const [used, revoked] = await as('globex', async (db) => [
      await onTime.create(db, { name: aName(), profile: 'admin' }),
      await onTime.create(db, { name: aName(), profile: 'admin' }),
    ])
    expect(await use()).toEqual([{ pepperId: 'p1', keys: 2 }])
    await as('globex', (db) => onTime.revoke(db, revoked?.record.id ?? ''))
    const rotating = createApiKeys({ peppers: [NEWER, PEPPER] })
    await as('globex', (db) => rotating.rotate(db, used?.record.id ?? ''))
    expect(await use()).toEqual([
      { pepperId: 'p1', keys: 1 },
      { pepperId: 'p2', keys: 1 },
    ])
    await as('globex', (db) => rotating.endOverlap(db, used?.record.id ?? ''))
    expect(await use()).toEqual([{ pepperId: 'p2', keys: 1 }])
  })
})
