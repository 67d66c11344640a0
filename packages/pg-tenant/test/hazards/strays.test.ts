import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { TenantDb } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const ignore = () => undefined

/** Lets `turns` microtasks and, beyond ten, turns of the event loop pass. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < Math.min(turns, 10); turn++) await Promise.resolve()
  for (let turn = 10; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A handle's every use that nobody waits for, started at a random moment around the end of its scope. */
async function stray(db: TenantDb, kind: string, turns: number, body: string): Promise<void> {
  await pass(turns)
  const insert = (to: TenantDb) => to.query('insert into notes (body) values ($1)', [body])
  if (kind === 'query') await insert(db)
  if (kind === 'savepoint') await db.savepoint(insert)
  if (kind === 'nested') await db.savepoint((inner) => inner.savepoint(insert))
  if (kind === 'stream')
    for await (const _ of db.stream('insert into notes (body) values ($1) returning id', [body])) break
}

/**
 * Hazard d at random moments: a statement that nobody waits for takes effect with its own scope or not at all; it
 * never runs for the next tenant on the connection, nor after its scope has failed.
 */
it('strays never leave their scope', async () => {
  const pool = world.pool({ max: 1 })
  const tenancy = world.tenancy({ pool })
  const kinds = fc.constantFrom('query', 'savepoint', 'nested', 'stream')
  const plan = fc.record({
    strays: fc.array(fc.record({ kind: kinds, turns: fc.nat(16) }), { minLength: 1, maxLength: 4 }),
    awaited: fc.nat(2),
    fails: fc.boolean(),
  })
  let number = 0
  await fc.assert(
    fc.asyncProperty(plan, async ({ strays, awaited, fails }) => {
      const mark = `stray ${++number}`
      const running: Promise<unknown>[] = []
      const scope = tenancy.withTenant('acme', async (db) => {
        strays.forEach(({ kind, turns }, at) => {
          running.push(stray(db, kind, turns, `${mark}.${at}`).catch(ignore))
        })
        for (let query = 0; query < awaited; query++) await db.query('select 1')
        if (fails) throw new Error('undo everything')
      })
      const committed = await scope.then(
        () => true,
        () => false,
      )
      await tenancy.withTenant('globex', async (db) => {
        await db.query('select 1')
        await Promise.all(running)
      })
      const kept = async (key: string) =>
        (await tenancy.query(key, 'select body from notes where body like $1', [`${mark}.%`])).rows.length
      expect(await kept('globex')).toBe(0)
      if (!committed) expect(await kept('acme')).toBe(0)
    }),
    { numRuns: 150 },
  )
  expect(pool.totalCount).toBeLessThanOrEqual(1)
})
