import { isTenancyError } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import { beforeAll, expect, it } from 'vitest'
import { codeOf, eventually } from '../support/world.ts'
import { describeCitus, itOwnsNodes, type Node, useCitus } from './citus-world.ts'

describeCitus('outcomes on Citus: nothing is told of a COMMIT that is not so', () => {
  const citus = useCitus()
  let worker: Node
  const there = async (name: string) =>
    (await citus.coordinator.root.query('select from c_acme.goods where name = $1', [name])).rowCount === 1

  beforeAll(async () => {
    await citus.tenancy().provision('acme')
    worker = await citus.workerOf('c_acme')
  })

  it('refuses to ask the coordinator for an outcome that a worker decided, for a tenancy and for a scope', async () => {
    expect(() => citus.tenancy({ resolveUnknownOutcome: true })).toThrow(/another node commits/)
    const tenancy = citus.tenancy()
    const scope = { resolveUnknownOutcome: true }
    const refused = [
      tenancy.query('acme', 'select 1', [], scope),
      tenancy.withTenant('acme', async () => 1, scope),
      tenancy.query('acme', 'select 1', [], { ...scope, readOnly: true }),
    ]
    expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => 'INVALID_OPTION'))
    expect(() => tenancy.open('acme', scope)).toThrow(/another node commits/)
    expect(() => tenancy.pool('acme', scope)).toThrow(/another node commits/)
  })

  it('does not believe a coordinator without a transaction id, whatever the tenancy was told', async () => {
    for (const after of [0, 1, 2, 3]) {
      let [armed, seen] = [false, 0]
      const proxy = await startWireProxy({
        target: citus.appUrl,
        onMessage: ({ from }) => {
          if (!armed || from !== 'frontend' || ++seen <= after) return 'deliver'
          armed = false
          return 'cut-before'
        },
      })
      const tenancy = citus.tenancy({
        pool: citus.pool({ connectionString: proxy.url, max: 1 }),
        distributedSchemas: undefined,
        resolveUnknownOutcome: true,
      })
      const name = `resolved ${after}`
      const told = await tenancy
        .withTenant('acme', async (db) => {
          await db.query('insert into goods (name) values ($1)', [name])
          armed = true
        })
        .then(
          () => 'acknowledged',
          (error: unknown) => (isTenancyError(error) ? error.code : String(error)),
        )
      if (told === 'acknowledged') expect(await there(name)).toBe(true)
      if (told === 'CONNECTION_LOST') expect(await there(name)).toBe(false)
      await proxy.close()
    }
  })

  itOwnsNodes(
    'says UNKNOWN_OUTCOME when a worker dies behind its COMMIT',
    async () => {
      const tenancy = citus.tenancy()
      await tenancy.query('acme', 'select 1')
      const waits = async (on: boolean) => {
        await worker.root.query(
          on
            ? `alter system set synchronous_standby_names = 'nobody'`
            : 'alter system reset synchronous_standby_names',
        )
        await worker.root.query('select pg_reload_conf()')
        await eventually(async () => {
          const { rows } = await worker.root.query('show synchronous_standby_names')
          return rows[0].synchronous_standby_names === (on ? 'nobody' : '')
        })
      }
      await waits(true)
      const once = codeOf(tenancy.query('acme', `insert into goods (name) values ('one')`))
      const scope = codeOf(
        tenancy.withTenant('acme', (db) => db.query(`insert into goods (name) values ('many')`)),
      )
      await eventually(async () => {
        const { rowCount } = await worker.root.query(
          `select from pg_stat_activity where wait_event = 'SyncRep' and usename = $1`,
          [citus.app],
        )
        return rowCount === 2
      })
      await worker.kill()
      expect(await Promise.all([once, scope])).toEqual(['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME'])
      await worker.restart()
      await worker.root.query('alter system reset synchronous_standby_names')
      await worker.root.query('select pg_reload_conf()')
      // Both are there, which is why nothing else may be said.
      await eventually(async () => (await there('one')) && (await there('many')))
    },
    60_000,
  )

  itOwnsNodes(
    'says CONNECTION_LOST when a worker cannot be reached ahead of COMMIT',
    async () => {
      const tenancy = citus.tenancy()
      await worker.kill()
      const code = await codeOf(tenancy.query('acme', `insert into goods (name) values ('nowhere')`))
      await worker.restart()
      expect(code).toBe('CONNECTION_LOST')
      await eventually(() =>
        tenancy.query('acme', 'select from goods').then(
          () => true,
          () => false,
        ),
      )
      expect(await there('nowhere')).toBe(false)
    },
    60_000,
  )

  it("tells a worker's own refusal at COMMIT for what it is", async () => {
    const tenancy = citus.tenancy()
    const error = await tenancy
      .query('acme', `insert into sales (good, note) values (4711, 'of nothing')`)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CONFLICT', details: { sqlState: '23503' } })
    expect((await tenancy.query('acme', 'select from sales')).rowCount).toBe(0)
  })

  it('retries what a worker could not serialize', async () => {
    const tenancy = citus.tenancy()
    await tenancy.query('acme', `insert into goods (name) select 'ser' || g from generate_series(0, 7) g`)
    const any = () => `ser${Math.floor(Math.random() * 8)}`
    const one = async () => {
      for (let n = 0; n < 25; n++)
        await tenancy.withTenant(
          'acme',
          async (db) => {
            await db.query('select id from goods where name = $1', [any()])
            await db.query('update goods set name = name where name = $1', [any()])
          },
          { isolationLevel: 'serializable', retry: { attempts: 10, backoff: 20 } },
        )
    }
    await Promise.all(Array.from({ length: 6 }, one))
  })
})
