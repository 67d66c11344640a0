// @module-tag sampled
import type { Queryable, TenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { IDEMPOTENCY_MIGRATION, IDEMPOTENCY_ROW_MIGRATION } from '../../src/idempotency/index.ts'
import { IDEMPOTENCY_KEYS, installRetention, retention } from '../../src/retention/index.ts'
import { acme, globex, levelsInTurn, useLevel } from '../support/levels.ts'

const keeping = retention({ tenantTables: [IDEMPOTENCY_KEYS], batch: 10 })

describe.each(levelsInTurn('role'))('level %s', (level) => {
  const world = useLevel(level, async () => {}, [
    level === 'row' ? IDEMPOTENCY_ROW_MIGRATION : IDEMPOTENCY_MIGRATION,
  ])
  const control = () => world.setting.world.admin
  const fill = (tenant: TenantKey, old: number, young: number) =>
    world.tenancy.query(
      tenant,
      `insert into idempotency_key (principal, handler, key, fingerprint, expires_at)
        select 'p', 'h', gen_random_uuid()::text, sha256('x'), now() + case when n <= $1 then interval '-1 hour' else interval '1 hour' end
        from generate_series(1, $2::integer) n`,
      [old, old + young],
    )
  const left = async (tenant: TenantKey) =>
    (await world.tenancy.query(tenant, 'select from idempotency_key')).rowCount
  const run = (options = {}) => keeping.runTenants(control(), world.tenancy, options)
  const due = () =>
    control().query(`update governance.retention_schedule set next_at = now() - interval '1 hour'`)

  it('what is due in tenants’ own tables goes in batches, of those whose turn it is', async () => {
    await installRetention(control())
    await keeping.enrol(control(), [acme, globex])
    await keeping.enrol(control(), [acme])
    await fill(acme, 25, 3)
    await fill(globex, 5, 1)
    expect(await run({ dryRun: true })).toEqual({ tenants: 2, rows: 30, failed: [] })
    expect(await run()).toEqual({ tenants: 2, rows: 30, failed: [] })
    expect([await left(acme), await left(globex)]).toEqual([3, 1])
    expect(await run()).toEqual({ tenants: 0, rows: 0, failed: [] })
    const { rows } = await control().query<{ seconds: string }>(
      'select extract(epoch from next_at - now())::text as seconds from governance.retention_schedule',
    )
    for (const { seconds } of rows) expect(Number(seconds)).toBeLessThanOrEqual(3_600)
  })

  it('rows that somebody has locked are left to the next time; nobody waits', async () => {
    await fill(acme, 2, 0)
    await due()
    const table = level === 'row' ? 'app.idempotency_key' : `${level}_acme.idempotency_key`
    const client = await world.root(acme).connect()
    try {
      await client.query(
        `begin; select from ${table} where expires_at < now() order by key limit 1 for update`,
      )
      expect(await run()).toMatchObject({ rows: 1, failed: [] })
      await client.query('rollback')
    } finally {
      client.release()
    }
    await due()
    expect(await run()).toMatchObject({ rows: 1 })
  })

  it('a tenant under a hold is left alone, one that is suspended keeps its turn', async () => {
    await fill(acme, 1, 0)
    await fill(globex, 1, 0)
    await due()
    await keeping.hold(control(), globex, 'a case')
    await world.tenancy.suspend(acme)
    const { tenants, rows, failed } = await run()
    expect([tenants, rows, failed.map(({ tenant }) => tenant)]).toEqual([1, 0, [acme]])
    await world.tenancy.resume(acme)
    await keeping.release(control(), globex)
    expect(await run()).toMatchObject({ tenants: 2, rows: 2, failed: [] })
  })

  it('when nothing is due for 10,000 tenants it costs two queries', async () => {
    await keeping.enrol(
      control(),
      Array.from({ length: 10_000 }, (_, n) => `many-${n}`),
    )
    await control().query(`update governance.retention_schedule set next_at = now() + interval '1 hour'`)
    let queries = 0
    const counting: Queryable = {
      query: <R extends object>(text: string, values?: readonly unknown[]) => {
        queries++
        return control().query<R>(text, values as unknown[])
      },
    }
    expect(await keeping.runTenants(counting, world.tenancy)).toEqual({ tenants: 0, rows: 0, failed: [] })
    // Who is under a hold, and what is due.
    expect(queries).toBe(2)
    await keeping.forget(control(), 'many-1')
    await control().query(`delete from governance.retention_schedule where tenant like 'many-%'`)
  })
})
