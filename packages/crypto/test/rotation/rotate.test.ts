import { randomUUID } from 'node:crypto'
import { TenancyError } from '@org/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  defineSettings,
  type FleetRotationOptions,
  rotate,
  rotateTenant,
  SEALED_SETTINGS,
  text,
} from '../../src/index.ts'
import { KEY_1, KEY_2, KEY_3, ring, sealedElsewhere } from '../support/envelopes.ts'
import { counting, stored, useTenants } from '../support/tenants.ts'
import { codeOf } from '../support/world.ts'
import { CREDENTIALS, fill, intact, MORE, ODD, SECRETS, settingsWith } from './fleet-world.ts'

const TENANTS = ['a', 'b', 'c', 'd']
const world = useTenants(TENANTS, [MORE])
const [old, both, fresh] = [ring(KEY_1), ring(KEY_2, [KEY_1]), ring(KEY_2)]

const fleet = (options: Partial<FleetRotationOptions> = {}): FleetRotationOptions => ({
  tenants: TENANTS,
  withTenant: (tenant, fn) => world.app.withTenant(tenant, fn),
  secrets: both,
  ...options,
})

const intactEverywhere = async (secrets = fresh): Promise<boolean[]> =>
  Promise.all(TENANTS.map((tenant) => world.app.withTenant(tenant, (db) => intact(db, secrets))))

beforeEach(async () => {
  for (const tenant of TENANTS) {
    await world.app.withTenant(tenant, async (db) => {
      await db.query('delete from app_settings')
      await db.query('delete from integration_credential')
      await db.query('delete from "Odd ""table"')
      await fill(db, old)
    })
  }
})

describe('a rotation of the fleet', () => {
  it.each([1, 2, 5, 6, 7, 200])(
    'seals every secret under the new key, %i rows at a time',
    async (batchSize) => {
      const before = await stored(world, 'a')
      const report = await rotate(fleet({ batchSize }))
      expect(report).toEqual({
        examined: 20,
        current: 0,
        resealed: 20,
        plaintext: 0,
        unreadable: 0,
        busy: 0,
        foundUnder: { [old.keyId ?? '']: 20 },
        unreadableValues: [],
        tenants: 4,
        failed: 0,
        failures: [],
        resumeAfter: 'd',
        aborted: false,
        complete: true,
      })
      expect(await intactEverywhere()).toEqual([true, true, true, true])
      const after = await stored(world, 'a')
      expect(after.open).toBe(before.open)
      for (const key of SECRETS) expect(after[key]).not.toBe(before[key])
    },
  )

  it('finds nothing to do the second time, and changes nothing', async () => {
    await rotate(fleet())
    const before = await stored(world, 'b')
    const report = await rotate(fleet())
    expect(report).toMatchObject({ examined: 20, current: 20, resealed: 0, complete: true })
    expect(report.foundUnder).toEqual({ [fresh.keyId ?? '']: 20 })
    expect(await stored(world, 'b')).toEqual(before)
  })

  it('leaves versions alone: what a setting says has not changed', async () => {
    const version = async () =>
      world.app.withTenant('a', async (db) => (await settingsWith(both).getEntry(db, 's0'))?.updatedAt)
    const before = await version()
    await rotate(fleet())
    expect(await version()).toBe(before)
  })

  it('takes two statements for a batch with something to do, and one without', async () => {
    const statements: number[] = []
    const withTenant: FleetRotationOptions['withTenant'] = (tenant, fn) =>
      world.app.withTenant(tenant, async (db) => {
        const counted = counting(db)
        const result = await fn(counted)
        statements.push(counted.statements())
        return result
      })
    await rotate(fleet({ withTenant, tenants: ['a'], batchSize: 4 }))
    await rotate(fleet({ withTenant, tenants: ['a'] }))
    expect(statements).toEqual([2, 2, 1])
  })

  it('goes from v1 to v2, and from unbound to bound', async () => {
    const v2 = ring(KEY_2, [KEY_1], { format: 'v2', acceptUnbound: true })
    const put = `update app_settings set value = $1 where key = 's0'`
    await world.app.query('a', put, [sealedElsewhere(KEY_1, '"a s0"')])
    expect(await rotate(fleet({ secrets: ring(KEY_2, [KEY_1]) }))).toMatchObject({
      unreadable: 1,
      complete: false,
    })
    expect(await rotate(fleet({ secrets: v2 }))).toMatchObject({ resealed: 20, complete: true })
    for (const tenant of TENANTS) {
      const values = await stored(world, tenant)
      for (const key of SECRETS) expect(values[key]).toMatch(/^enc:v2:/)
    }
    expect(await intactEverywhere()).toEqual([true, true, true, true])
  })

  it('seals what is in clear, if told to, and only what is a secret', async () => {
    const put = 'update app_settings set value = $2 where key = $1'
    await world.app.query('a', put, ['s0', '"a s0"'])
    const tables = [settingsWith(both).table]
    const reported = await rotate(fleet({ tables }))
    expect(reported).toMatchObject({ plaintext: 1, resealed: 19, complete: false })
    expect((await stored(world, 'a')).s0).toBe('"a s0"')
    const dry = await rotate(fleet({ tables, plaintext: 'seal', dryRun: true }))
    expect(dry).toMatchObject({ resealed: 1 })
    expect((await stored(world, 'a')).s0).toBe('"a s0"')
    const sealed = await rotate(fleet({ tables, plaintext: 'seal' }))
    expect(sealed).toMatchObject({ plaintext: 0, resealed: 1, current: 19, complete: true })
    expect(await intactEverywhere()).toEqual([true, true, true, true])
    expect((await stored(world, 'a')).open).toBe('"enc:v1:in the open"')
  })

  it('reaches settings that this program does not define, as long as they are sealed', async () => {
    const stranger = 'insert into app_settings values ($1, $2)'
    const place = { tenant: 'a', table: 'app_settings', name: 'stranger' }
    await world.app.query('a', stranger, ['stranger', old.seal('x', place)])
    await world.app.query('a', stranger, ['open stranger', 'in clear'])
    expect(await rotate(fleet({ tables: [settingsWith(both).table], plaintext: 'seal' }))).toMatchObject({
      resealed: 21,
    })
    const after = await stored(world, 'a')
    expect(fresh.open(after.stranger ?? '', place)).toBe('x')
    expect(after['open stranger']).toBe('in clear')
  })

  it('leaves text alone that only looks sealed, where the settings say that it is none', async () => {
    const open = defineSettings({ motto: text(z.string()), was: z.string() }, { secrets: both })
    const place = { tenant: 'a', table: 'app_settings', name: 'was' }
    await world.app.withTenant('a', async (db) => {
      await open.set(db, 'motto', 'enc:v1:a motto')
      await db.query('insert into app_settings values ($1, $2)', ['was', old.seal('"once a secret"', place)])
    })
    const report = await rotate(fleet({ tenants: ['a'], tables: [open.table] }))
    expect(report).toMatchObject({ examined: 6, resealed: 6, unreadable: 0 })
    expect((await stored(world, 'a')).motto).toBe('enc:v1:a motto')
    expect(fresh.open((await stored(world, 'a')).was ?? '', place)).toBe('"once a secret"')
  })

  it('goes over other tables: by uuid, by several columns, with names that need quoting, without nulls', async () => {
    const ids = Array.from({ length: 7 }, () => randomUUID())
    const place = (id: string) => ({ tenant: 'a', table: 'integration_credential', name: id })
    const odd = (name: string) => ({ tenant: 'a', table: ODD.table, name })
    await world.app.withTenant('a', async (db) => {
      for (const id of ids)
        await db.query('insert into integration_credential values ($1, $2)', [
          id,
          old.seal(`c ${id}`, place(id)),
        ])
      await db.query('insert into integration_credential (data_encrypted) values (null)')
      for (const key of [`o'k`, 'q"k', ''])
        for (const n of [-1, 2, 10])
          await db.query('insert into "Odd ""table" values ($1, $2, $3)', [
            key,
            n,
            old.seal('o', odd(`${key}/${n}`)),
          ])
    })
    const report = await rotate(fleet({ tables: [SEALED_SETTINGS, CREDENTIALS, ODD], batchSize: 2 }))
    expect(report).toMatchObject({ examined: 36, resealed: 36, complete: true })
    await world.app.withTenant('a', async (db) => {
      const { rows } = await db.query<{ id: string; value: string }>(
        'select id, data_encrypted as value from integration_credential where data_encrypted is not null',
      )
      expect(rows.map(({ id, value }) => fresh.open(value, place(id))).sort()).toEqual(
        ids.map((id) => `c ${id}`).sort(),
      )
      const others = await db.query<{ k: string; n: number; v: string }>(
        'select "the key" as k, n, "the value" as v from "Odd ""table"',
      )
      for (const { k, n, v } of others.rows) expect(fresh.open(v, odd(`${k}/${n}`))).toBe('o')
      expect(others.rows).toHaveLength(9)
    })
  })

  it('looks and counts only, in a dry run', async () => {
    const before = await stored(world, 'a')
    const report = await rotate(fleet({ dryRun: true, batchSize: 2 }))
    expect(report).toMatchObject({ examined: 20, resealed: 20, current: 0 })
    expect(await stored(world, 'a')).toEqual(before)
  })

  it('reports what does not open, by tenant, table and name, and leaves it as it is', async () => {
    const put = `update app_settings set value = $1 where key = 's3'`
    const other = ring(KEY_3).seal('x', { tenant: 'b', table: 'app_settings', name: 's3' })
    const broken = ['enc:v1:', 'enc:v9:x', other, (await stored(world, 'a')).s2 ?? '']
    for (const value of broken) {
      await world.app.query('b', put, [value])
      const report = await rotate(fleet({ tenants: ['b'] }))
      expect(report).toMatchObject({ unreadable: 1, complete: false, failed: 0 })
      expect(report.unreadableValues).toEqual([
        { tenant: 'b', table: 'app_settings', name: 's3', code: 'ENVELOPE_UNREADABLE' },
      ])
      expect((await stored(world, 'b')).s3).toBe(value)
    }
    const bounded = await rotate(fleet({ tenants: TENANTS, secrets: ring(KEY_3), maxReports: 3 }))
    expect(bounded).toMatchObject({ unreadable: 20 })
    expect(bounded.unreadableValues).toHaveLength(3)
  })

  it('goes on when a tenant fails, and says which and why', async () => {
    const report = await rotate(
      fleet({
        tenants: ['a', 'missing', 'Not A Key', 'b', 'c', 'd'],
        secrets: (tenant) => {
          if (tenant === 'b') throw new TenancyError('KEY_SERVICE_UNAVAILABLE', 'down')
          if (tenant === 'c') throw new RangeError('hunter2')
          return both
        },
        concurrency: 1,
      }),
    )
    expect(report).toMatchObject({ tenants: 2, failed: 4, resealed: 10, complete: false, resumeAfter: 'a' })
    expect(report.failures).toEqual([
      { tenant: 'missing', code: 'SCHEMA_MISSING' },
      { tenant: 'Not A Key', code: 'INVALID_TENANT_KEY' },
      { tenant: 'b', code: 'KEY_SERVICE_UNAVAILABLE' },
      { tenant: 'c', code: 'INTERNAL_ERROR' },
    ])
    const bounded = await rotate(fleet({ tenants: ['x1', 'x2', 'x3'], maxReports: 1 }))
    expect([bounded.failed, bounded.failures.length]).toEqual([3, 1])
  })

  it('begins after a tenant; one that is not there is a mistake', async () => {
    const report = await rotate(fleet({ startAfter: 'b' }))
    expect(report).toMatchObject({ tenants: 2, resealed: 10, resumeAfter: 'd' })
    expect(await codeOf(rotate(fleet({ startAfter: 'nobody' })))).toBe('INVALID_OPTION')
  })

  it('stops between two batches when it is aborted, and is taken up again where it stopped', async () => {
    const controller = new AbortController()
    const seen: (string | undefined)[] = []
    const report = await rotate(
      fleet({
        batchSize: 3,
        concurrency: 1,
        signal: controller.signal,
        onProgress: ({ resumeAfter, resealed }) => {
          seen.push(resumeAfter)
          if (resealed >= 8) controller.abort()
        },
      }),
    )
    expect(report).toMatchObject({ aborted: true, complete: false, tenants: 1, resumeAfter: 'a' })
    expect(report.resealed).toBeLessThan(20)
    expect(await intactEverywhere(both)).toEqual([true, true, true, true])
    const rest = await rotate(fleet({ startAfter: report.resumeAfter ?? '' }))
    expect(rest).toMatchObject({ complete: true, tenants: 3, resealed: 20 - report.resealed })
    expect(await rotate(fleet({ signal: AbortSignal.abort() }))).toMatchObject({ aborted: true, tenants: 0 })
  })

  it('runs as many tenants at once as told, over any iterable', async () => {
    let [now, most] = [0, 0]
    const withTenant: FleetRotationOptions['withTenant'] = async (tenant, fn) => {
      most = Math.max(most, ++now)
      return world.app.withTenant(tenant, fn).finally(() => now--)
    }
    async function* tenants() {
      yield* TENANTS
    }
    expect(await rotate(fleet({ tenants: tenants(), withTenant, concurrency: 2 }))).toMatchObject({
      complete: true,
    })
    expect(most).toBe(2)
    most = 0
    await rotate(fleet({ tenants: new Set(TENANTS), withTenant, concurrency: 1 }))
    expect(most).toBe(1)
  })

  it('throws what the list of tenants or onProgress throws, with nothing left running', async () => {
    async function* tenants() {
      yield 'a'
      throw new Error('no list')
    }
    await expect(rotate(fleet({ tenants: tenants() }))).rejects.toThrow('no list')
    let now = 0
    const withTenant: FleetRotationOptions['withTenant'] = async (tenant, fn) => {
      now++
      return world.app.withTenant(tenant, fn).finally(() => now--)
    }
    const onProgress = () => {
      throw new Error('enough')
    }
    await expect(rotate(fleet({ withTenant, onProgress }))).rejects.toThrow('enough')
    expect(now).toBe(0)
    let progress = 0
    const once = () => {
      if (++progress === 1) throw new Error('enough')
    }
    const many = Array.from({ length: 40 }, () => 'a')
    await expect(rotate(fleet({ tenants: many, onProgress: once, concurrency: 2 }))).rejects.toThrow('enough')
    expect(progress).toBeLessThanOrEqual(2)
  })
})

describe('a rotation of one tenant', () => {
  it('is part of the transaction around it', async () => {
    const undone = world.app.withTenant('a', async (db) => {
      expect(await rotateTenant(db, { secrets: both, batchSize: 2 })).toMatchObject({
        resealed: 5,
        aborted: false,
      })
      expect(await intact(db, fresh)).toBe(true)
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    expect(await intactEverywhere(old)).toEqual([true, true, true, true])
  })

  it('needs a handle, and a key', async () => {
    expect(
      await codeOf(
        rotateTenant({ query: async () => ({ rows: [], rowCount: 0 }) } as never, { secrets: both }),
      ),
    ).toBe('INVALID_OPTION')
  })
})

describe('a mistake in the options', () => {
  it.each([
    null,
    {},
    fleet({ secrets: 'key' as never }),
    fleet({ tables: [] }),
    fleet({ tables: 'app_settings' as never }),
    fleet({ tables: [null as never] }),
    fleet({ tables: [{ table: '', key: 'key', value: 'value' }] }),
    fleet({ tables: [{ table: 'a'.repeat(64), key: 'key', value: 'value' }] }),
    fleet({ tables: [{ table: 'a\0', key: 'key', value: 'value' }] }),
    fleet({ tables: [{ table: 'a', key: [], value: 'value' }] }),
    fleet({ tables: [{ table: 'a', key: ['a', 'b'], value: 'value' }] }),
    fleet({
      tables: [{ table: 'a', key: { column: 'a', type: 'text; drop table x' as 'text' }, value: 'value' }],
    }),
    fleet({ tables: [{ table: 'a', key: 'key', value: 5 as never }] }),
    fleet({ tables: [{ table: 'a', key: 'key', value: 'value', holds: 'secret' as never }] }),
    fleet({ plaintext: 'yes' as never }),
    fleet({ dryRun: 1 as never }),
    fleet({ batchSize: 0 }),
    fleet({ batchSize: 1.5 }),
    fleet({ concurrency: 65 }),
    fleet({ maxReports: -1 }),
    fleet({ signal: {} as never }),
    fleet({ tenants: 'acme' }),
    fleet({ tenants: null as never }),
    fleet({ withTenant: null as never }),
    fleet({ onProgress: 'log' as never }),
    fleet({ startAfter: 5 as never }),
    { ...fleet(), bathcSize: 5 },
  ])('is refused before any SQL: case %#', async (options) => {
    expect(await codeOf(rotate(options as FleetRotationOptions))).toBe('INVALID_OPTION')
  })

  it('such as a nameOf that gives no name fails the tenant', async () => {
    const tables = [{ ...SEALED_SETTINGS, nameOf: () => '' }]
    expect((await rotate(fleet({ tables, tenants: ['a'] }))).failures).toEqual([
      { tenant: 'a', code: 'INVALID_OPTION' },
    ])
  })
})
