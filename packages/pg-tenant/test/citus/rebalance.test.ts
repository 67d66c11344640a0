// @module-tag sampled
import { beforeAll, expect, it } from 'vitest'
import { SLOW } from '../support/sample.ts'
import { describeCitus, type Node, useCitus } from './citus-world.ts'

const KEYS = ['acme', 'globex', ...(SLOW ? ['initech', 'umbrella', 'hooli', 'stark'] : [])]

describeCitus('the rebalancer of Citus', () => {
  const citus = useCitus()

  beforeAll(async () => {
    const [, joining] = citus.workers as [Node, Node]
    const { root } = citus.coordinator
    await root.query('select citus_remove_node($1, $2)', [joining.host, joining.port])
    await joining.root.query(`set citus.enable_ddl_propagation to off; set citus.enable_metadata_sync to off;
      drop owned by ${citus.app}, ${citus.admin}; drop role ${citus.app}, ${citus.admin}`)
    const tenancy = citus.tenancy()
    for (const key of KEYS) await tenancy.provision(key)
    await tenancy.suspend('acme')
    await root.query('select citus_add_node($1, $2)', [joining.host, joining.port])
    await tenancy.resume('acme')
  })

  it('brings tenants to a node that joined while they work: no write is lost, none is there twice', async () => {
    const tenancy = citus.tenancy()
    const { root } = citus.coordinator
    const running = { on: true }
    const told: unknown[] = []
    const writer = async (key: string, index: number) => {
      const insert = 'insert into goods (name) values ($1)'
      let written = 0
      while (running.on)
        await (index % 2
          ? tenancy.query(key, insert, [`moving ${written}`])
          : tenancy.withTenant(key, async (db) => {
              await db.query('select from goods where id = 1')
              await db.query(insert, [`moving ${written}`])
            })
        ).then(
          () => written++,
          (error: unknown) => told.push(error),
        )
      return written
    }
    const writers = KEYS.map(writer)
    try {
      await root.query('select citus_rebalance_start()')
      await root.query('select citus_rebalance_wait()')
    } finally {
      running.on = false
    }
    const written = await Promise.all(writers)
    expect(told).toEqual([])
    expect((await root.query('select state from pg_dist_background_job')).rows).toEqual([
      { state: 'finished' },
    ])
    const places = await Promise.all(KEYS.map((key) => citus.workerOf(`c_${key}`)))
    expect(citus.workers.map((worker) => places.filter((one) => one === worker).length)).toEqual([
      KEYS.length / 2,
      KEYS.length / 2,
    ])
    for (const [index, key] of KEYS.entries()) {
      const { rows } = await tenancy.query(
        key,
        'select count(*)::int as n, count(distinct name)::int as names from goods',
      )
      expect(rows).toEqual([{ n: written[index], names: written[index] }])
    }
  })
})
