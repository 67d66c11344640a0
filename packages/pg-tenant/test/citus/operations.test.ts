import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { codeOf, eventually } from '../support/world.ts'
import { describeCitus, itOwnsNodes, type Node, useCitus } from './citus-world.ts'

const KEYS = ['acme', 'globex']
const ROWS = 300

describeCitus('operations on Citus', () => {
  const citus = useCitus()
  let worker: Node
  const codes = async () =>
    (await citus.tenancy().doctor()).findings
      .map(({ code, subject }) => `${code} ${subject}`)
      .filter((one) => /NODE|UNMOVABLE|LEDGER/.test(one))

  beforeAll(async () => {
    const tenancy = citus.tenancy()
    for (const key of KEYS) {
      await tenancy.provision(key)
      await tenancy.query(key, 'insert into goods (name) select $1 || g from generate_series(1, $2::int) g', [
        key,
        ROWS,
      ])
      await citus.coordinator.root.query(`analyze c_${key}.goods`)
    }
    worker = await citus.workerOf('c_acme')
  })

  it('verifies that tenants are kept apart', async () => {
    const { checks } = await citus.tenancy().verify()
    expect(checks.filter(({ outcome }) => outcome !== 'passed' && outcome !== 'not promised')).toEqual([])
  })

  it('counts rows and bytes where they are', async () => {
    const { tenants } = await citus.tenancy().stats()
    expect(tenants).toEqual(
      KEYS.map((key) => expect.objectContaining({ key, rows: ROWS, bytes: expect.any(Number) })),
    )
    for (const { bytes } of tenants) expect(bytes).toBeGreaterThan(100_000)
  })

  itOwnsNodes(
    'finds what a scope cannot set on other nodes, and tables that cannot be moved',
    async () => {
      const { root } = citus.coordinator
      const names = citus.workers.map(({ name }) => `NODE_LIMITS ${name}`)
      expect((await codes()).sort()).toEqual(names.sort())
      await root.query(`alter role ${citus.app} set lock_timeout = '10s'`)
      expect(await codes()).toEqual([])
      const durable = async (on: boolean) => {
        await worker.root.query(
          `alter system ${on ? 'reset synchronous_commit' : 'set synchronous_commit = off'}`,
        )
        await worker.root.query('select pg_reload_conf()')
        const found = on ? [] : [`NODE_DURABILITY ${worker.name}`]
        await eventually(async () => (await codes()).join() === found.join())
      }
      await durable(false)
      await durable(true)
      await root.query('create table c_acme.keyless (id int)')
      expect(await codes()).toEqual(['UNMOVABLE c_acme.keyless'])
      await root.query('drop table c_acme.keyless')
    },
    60_000,
  )

  it('ends a wait for a lock of another node by the limit of the role', async () => {
    await citus.coordinator.root.query(`alter role ${citus.app} set lock_timeout = '300ms'`)
    const [holding, waiting] = [citus.tenancy(), citus.tenancy()]
    await holding.withTenant('acme', async (db) => {
      await db.query(`update goods set name = name where name = 'acme1'`)
      const error = await waiting
        .query('acme', `update goods set name = name where name = 'acme1'`)
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'TIMEOUT', details: { sqlState: '55P03' } })
      expect(
        await codeOf(waiting.query('acme', `select from goods where name = 'acme1' for update nowait`)),
      ).toBe('CONFLICT')
    })
    await citus.coordinator.root.query(`alter role ${citus.app} set lock_timeout = '10s'`)
  })

  it.each([undefined, 'pg_dump'] as const)(
    'takes and restores a backup: %s',
    async (format) => {
      const tenancy = citus.tenancy()
      const to = join(mkdtempSync(join(tmpdir(), 'citus-')), 'globex')
      expect(await tenancy.backup('globex', { to, ...(format && { format }) })).toMatchObject({ rows: ROWS })
      await tenancy.drop('globex')
      expect(await tenancy.restore('globex', { from: to, reuseDeletedKey: true })).toMatchObject({
        rows: ROWS,
      })
      await citus.workerOf('c_globex')
      await tenancy.query('globex', `insert into goods (name) values ($1)`, [`behind ${to}`])
      await tenancy.query('globex', `delete from goods where name like 'behind%'`)
    },
    120_000,
  )

  itOwnsNodes(
    'looks at what can be reached while a node is down',
    async () => {
      const tenancy = citus.tenancy()
      await worker.kill()
      try {
        expect(await codes()).toContain(`NODE_UNREACHABLE ${worker.name}`)
        const { tenants } = await tenancy.stats()
        expect(tenants.find(({ key }) => key === 'acme')).toMatchObject({ rows: null, bytes: null })
        expect((await tenancy.list()).length).toBe(KEYS.length)
      } finally {
        await worker.restart()
      }
      await eventually(() =>
        tenancy.query('acme', 'select from goods').then(
          () => true,
          () => false,
        ),
      )
    },
    60_000,
  )
})
