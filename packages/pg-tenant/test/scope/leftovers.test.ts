import { hasPgBouncer, type PgBouncer, startPgBouncer } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POOLED, useWorld } from '../support/world.ts'

// What others leave on a session (hazard k'), where the same tenant comes back to it: nothing is taken for clean.

const world = useWorld(['acme'])
const LEAVE = 'create temp table left_behind ()'
const FIND = "select to_regclass('pg_temp.left_behind')::text as found"

it.skipIf(POOLED)(
  'a temporary table made on the bare pool is gone for the tenant that had the session before',
  async () => {
    const pool = world.pool({ max: 1 })
    const tenancy = world.tenancy({ pool })
    for (let warm = 0; warm < 3; warm++) await tenancy.query('acme', 'select 1')
    await pool.query(LEAVE)
    expect((await pool.query(FIND)).rows).not.toEqual([{ found: null }])
    expect((await tenancy.query('acme', FIND)).rows).toEqual([{ found: null }])
  },
)

describe.runIf(hasPgBouncer())('behind PgBouncer with one server connection', () => {
  let bouncer: PgBouncer
  beforeAll(async () => {
    bouncer = await startPgBouncer({ url: world.url, poolSize: 1 })
  })
  afterAll(() => bouncer?.stop())

  it('a temporary table made by another client is gone as well', async () => {
    const url = Object.assign(new URL(world.appUrl), { port: new URL(bouncer.url).port }).href
    const [mine, theirs] = [
      world.pool({ max: 1, connectionString: url }),
      world.pool({ max: 1, connectionString: url }),
    ]
    const tenancy = world.tenancy({ pool: mine })
    for (let warm = 0; warm < 3; warm++) await tenancy.query('acme', 'select 1')
    await theirs.query(LEAVE)
    expect((await theirs.query(FIND)).rows).not.toEqual([{ found: null }])
    expect((await tenancy.query('acme', FIND)).rows).toEqual([{ found: null }])
  })
})
