// @module-tag sampled
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { hasTurn } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { ALL_SUBJECTS, useSetting } from './setting.ts'

// What a callback may do and what it gets, at every level. The other tenant always has rows of its own to be found.

const setting = useSetting()

describe.each(ALL_SUBJECTS.filter(({ level }) => hasTurn(level)))(
  'scopes at level $level',
  ({ level, shares, logsIn }) => {
    let tenancy: Tenancy
    const bodies = async (key: string) =>
      (await tenancy.query<{ body: string }>(key, 'select body from notes order by body')).rows.map(
        ({ body }) => body,
      )
    const insert = 'insert into notes (body) values ($1)'
    beforeAll(async () => {
      tenancy = setting.tenancy(level)
      for (const key of ['acme', 'globex', 'fill']) await tenancy.provision(key)
      await tenancy.query('globex', insert, ['of globex'])
    })
    const restored = async (run: () => Promise<unknown>) => {
      const before = await bodies('acme')
      await run()
      expect(await bodies('acme')).toEqual(before)
      expect(await bodies('globex')).toEqual(['of globex'])
    }

    it('commits what returns, and gives back what is returned', async () => {
      const id = await tenancy.withTenant('acme', async (db) => {
        expect(db.tenant).toBe('acme')
        await db.query(insert, ['committed'])
        return (await db.query<{ id: string }>('select id from notes')).rows[0]?.id
      })
      expect(Number(id)).toBeGreaterThan(0)
      expect(await bodies('acme')).toEqual(['committed'])
    })

    it('rolls back what throws, and throws that very error', () =>
      restored(async () => {
        const mine = new Error('mine')
        const scope = tenancy.withTenant('acme', async (db) => {
          await db.query(insert, ['undone'])
          throw mine
        })
        expect(await scope.catch((error: unknown) => error)).toBe(mine)
      }))

    it('rolls back when an error was swallowed, or a query not awaited, and says so', () =>
      restored(async () => {
        const swallowed = tenancy.withTenant('acme', async (db) => {
          await db.query(insert, ['undone'])
          await db.query('select 1/0').catch(() => undefined)
        })
        expect(await codeOf(swallowed)).toBe('SILENT_ROLLBACK')
        const stray = tenancy.withTenant('acme', async (db) => {
          db.query(insert, ['undone']).catch(() => undefined)
        })
        expect(await codeOf(stray)).toBe('QUERY_NOT_AWAITED')
      }))

    it('joins a scope of the same tenant as a savepoint, and refuses one of another', () =>
      restored(async () => {
        const outer = tenancy.withTenant('acme', async (db) => {
          await db.query(insert, ['outer'])
          await tenancy
            .withTenant('acme', async (inner) => {
              await inner.query(insert, ['inner'])
              throw new Error('back')
            })
            .catch(() => undefined)
          expect(
            (await tenancy.query('acme', `select from notes where body in ('outer', 'inner')`)).rowCount,
          ).toBe(1)
          expect(await codeOf(tenancy.withTenant('globex', async () => 1))).toBe('CROSS_TENANT')
          expect(await codeOf(tenancy.query('globex', 'select 1'))).toBe('CROSS_TENANT')
          throw new Error('undo everything')
        })
        await expect(outer).rejects.toThrow('undo everything')
      }))

    it('streams its own rows in batches', async () => {
      await tenancy.query(
        'fill',
        `insert into notes (body) select 'row ' || g from generate_series(1, 250) g`,
      )
      let count = 0
      await tenancy.withTenant('fill', async (db) => {
        for await (const { body } of db.stream<{ body: string }>('select body from notes', [], {
          batchSize: 100,
        })) {
          expect(body).toMatch(/^row /)
          count++
        }
      })
      expect(count).toBe(250)
    })

    it('copies its own rows out', async () => {
      const out = await tenancy.withTenant('acme', async (db) =>
        text(await db.copyTo('copy notes (body) to stdout')),
      )
      expect(out).toBe('committed\n')
    })

    it(`${shares ? 'cannot copy rows in: PostgreSQL has no COPY FROM under row security' : 'copies rows in'}`, async () => {
      const scope = tenancy.withTenant('fill', async (db) => {
        await pipeline(
          Readable.from(['copied 1\n', 'copied 2\n']),
          await db.copyFrom('copy notes (body) from stdin'),
        )
      })
      if (shares)
        await expect(scope).rejects.toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '0A000' } })
      else await scope
      const { rowCount } = await tenancy.query('fill', `select from notes where body like 'copied%'`)
      expect(rowCount).toBe(shares ? 0 : 2)
    })

    it('holds its limits: statements, locks, connections', async () => {
      expect(await codeOf(tenancy.query('acme', 'select pg_sleep(60)', [], { statementTimeout: 40 }))).toBe(
        'TIMEOUT',
      )
      const [held, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const holder = tenancy.withTenant('acme', async (db) => {
        await db.query('select from notes for update')
        held.resolve()
        await over.promise
      })
      await held.promise
      const waits = tenancy.query('acme', 'select from notes for update', [], { lockTimeout: 40 })
      expect(await codeOf(waits)).toBe('TIMEOUT')
      over.resolve()
      await holder
    })

    it('is cancelled on the server by a signal', async () => {
      const controller = new AbortController()
      const scope = tenancy.withTenant(
        'acme',
        async (db) => {
          setImmediate(() => controller.abort())
          await db.query('select pg_sleep(60)')
        },
        { signal: controller.signal },
      )
      expect(await codeOf(scope)).toBe('ABORTED')
    })

    it('writes nothing when it is read-only, at any isolation level', () =>
      restored(async () => {
        for (const isolationLevel of ['read committed', 'repeatable read', 'serializable'] as const) {
          const options = { readOnly: true, isolationLevel }
          expect((await tenancy.query('acme', 'select from notes', [], options)).rowCount).toBe(1)
          await expect(tenancy.query('acme', insert, ['undone'], options)).rejects.toMatchObject({
            details: { sqlState: '25006' },
          })
        }
      }))

    it('runs a named statement for each tenant on its own rows', async () => {
      const all = { text: 'select body from notes', name: 'all_notes' }
      for (let time = 0; time < 6; time++) {
        expect((await tenancy.query('acme', all)).rows).toEqual([{ body: 'committed' }])
        expect((await tenancy.query('globex', all)).rows).toEqual([{ body: 'of globex' }])
      }
    })

    it('finds a unique violation among its own rows only', async () => {
      expect(await codeOf(tenancy.query('acme', insert, ['committed']))).toBe('DUPLICATE_RESOURCE')
      await restored(async () => {
        const scope = tenancy.withTenant('acme', async (db) => {
          await db.query(insert, ['of globex'])
          throw new Error('that went well')
        })
        await expect(scope).rejects.toThrow('that went well')
      })
    })

    it('refuses keys and options before anything is sent', async () => {
      expect(await codeOf(tenancy.query('No Key', 'select 1'))).toBe('INVALID_TENANT_KEY')
      expect(await codeOf(tenancy.query('acme', 'select 1', [], { lockTimeout: -1 }))).toBe('INVALID_OPTION')
      expect(await codeOf(tenancy.query('acme', 'commit'))).toBe('STATEMENT_REFUSED')
      expect(await codeOf(tenancy.query('acme', 'select 1; select 2'))).toBe('STATEMENT_REFUSED')
    })

    it('lists its tenants, and nobody else’s', async () => {
      const listed = await tenancy.list()
      expect(listed.map(({ key, isolation, status }) => `${key} ${isolation} ${status}`)).toEqual(
        ['acme', 'fill', 'globex'].map((key) => `${key} ${level} active`),
      )
      expect(await tenancy.lookup('acme')).toMatchObject({ key: 'acme', isolation: level })
    })

    it('verifies itself', async () => {
      const report = await tenancy.verify()
      expect(report.checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
      expect(report).toMatchObject({ ok: true, level, tenants: 3 })
    })

    it('has nobody behind when everybody was provisioned by this release', async () => {
      expect(await tenancy.migrate()).toMatchObject({ ok: true, behind: 0, failed: 0 })
    })

    it(`${logsIn ? 'rotates the password of a tenant' : 'has no passwords to rotate'}`, async () => {
      if (!logsIn) {
        expect(await codeOf(tenancy.rotateCredentials('acme'))).toBe('INVALID_OPTION')
        return
      }
      expect((await tenancy.rotateCredentials('acme')).password.length).toBeGreaterThanOrEqual(43)
      expect(await bodies('acme')).toEqual(['committed'])
    })
  },
)
