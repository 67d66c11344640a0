import { beforeAll, expect, it } from 'vitest'
import type { TenantDb } from '../../src/index.ts'
import { codeOf, eventually } from '../support/world.ts'
import { describeCitus, itOwnsNodes, type Node, useCitus } from './citus-world.ts'

// Citus commits on the one other node that was written, and then on the coordinator: two phases where the coordinator takes part as
// a node, else one phase each.
describeCitus('scopes that would be torn on Citus', () => {
  const citus = useCitus()
  let worker: Node
  const count = async (table: string) =>
    Number((await citus.coordinator.root.query(`select sum(v) as v from ${table}`)).rows[0].v)
  const both = (table: string) => async (db: TenantDb) => {
    await db.query(`update ${table} set v = v + 1`)
    await db.query(`insert into goods (name) values ($1)`, [`with ${table} ${Math.random()}`])
  }

  beforeAll(async () => {
    await citus.tenancy().provision('acme')
    worker = await citus.workerOf('c_acme')
    const { root } = citus.coordinator
    for (const name of ['ordinary', 'known', 'reference']) {
      await root.query(`create table public.${name} (k int primary key, v int not null default 0)`)
      await root.query(`insert into public.${name} values (1)`)
      await root.query(`grant select, insert, update, delete on public.${name} to ${citus.app}`)
    }
    await root.query(`select create_reference_table('public.reference')`)
    await root.query(`select citus_add_local_table_to_metadata('public.known')`)
    await root.query(`create function public.writes() returns void language plpgsql as $$ begin
      update public.ordinary set v = v + 1;
      insert into c_acme.goods (name) values ('by function'); end $$`)
  })

  it('are refused: a tenant and an ordinary table of the coordinator', async () => {
    const tenancy = citus.tenancy()
    const before = await count('public.ordinary')
    const error = await tenancy.withTenant('acme', both('public.ordinary')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STATEMENT_REFUSED', details: { reason: 'torn' } })
    expect(await codeOf(tenancy.query('acme', 'select public.writes()'))).toBe('STATEMENT_REFUSED')
    expect(await count('public.ordinary')).toBe(before)
    expect((await tenancy.query('acme', `select from goods where name like '%ordinary%'`)).rowCount).toBe(0)
  })

  it('are those alone: one of the two, reading of the other, and what Citus knows', async () => {
    const tenancy = citus.tenancy()
    await tenancy.query('acme', 'update public.ordinary set v = v + 1')
    await tenancy.query('acme', `insert into goods (name) values ('alone')`)
    await tenancy.withTenant('acme', async (db) => {
      await db.query('select from goods')
      await db.query('update public.ordinary set v = v + 1')
    })
    await tenancy.withTenant('acme', async (db) => {
      await db.query('select from public.ordinary')
      await db.query(`insert into goods (name) values ('read the other')`)
    })
    await tenancy.withTenant('acme', both('public.reference'))
    await tenancy.withTenant('acme', both('public.known'))
    await tenancy.withTenant('acme', async (db) => {
      await db.query('create table made_in_scope (id int)')
      await db.query('insert into made_in_scope values (1)')
    })
  })

  itOwnsNodes(
    'what Citus knows is kept whole when the coordinator dies at its COMMIT',
    async () => {
      const waits = async (on: boolean) => {
        await worker.root.query(
          `alter system ${on ? 'set' : 'reset'} synchronous_standby_names ${on ? `= 'nobody'` : ''}`,
        )
        await worker.root.query('select pg_reload_conf()')
        await eventually(async () => {
          const { rows } = await worker.root.query('show synchronous_standby_names')
          return rows[0].synchronous_standby_names === (on ? 'nobody' : '')
        })
      }
      const tenancy = citus.tenancy()
      await tenancy.query('acme', 'select 1')
      const before = await count('public.known')
      await waits(true)
      const told = codeOf(
        tenancy.withTenant('acme', async (db) => {
          await db.query('update public.known set v = v + 1')
          await db.query(`insert into goods (name) values ('whole')`)
        }),
      )
      await eventually(async () => {
        const { rowCount } = await worker.root.query(
          `select from pg_stat_activity where wait_event = 'SyncRep' and usename = $1`,
          [citus.app],
        )
        return rowCount === 1
      })
      await citus.coordinator.kill()
      expect(await told).toBe('UNKNOWN_OUTCOME')
      await waits(false)
      await citus.coordinator.restart()
      await eventually(async () => {
        const { rows } = await citus.coordinator.root
          .query('select recover_prepared_transactions()')
          .catch(() => ({ rows: [] }))
        return rows.length === 1
      })
      await eventually(async () => (await worker.root.query('select from pg_prepared_xacts')).rowCount === 0)
      const { rowCount } = await citus.coordinator.root.query(`select from c_acme.goods where name = 'whole'`)
      expect((await count('public.known')) - before).toBe(rowCount)
    },
    120_000,
  )
})
