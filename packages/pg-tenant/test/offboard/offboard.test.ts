import { Writable } from 'node:stream'
import { beforeAll, describe, expect, it } from 'vitest'
import { inAdminTransaction } from '../../src/admin/transaction.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { placeOf } from '../../src/archive/place.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { latest, open } from '../../src/offboard/ledger.ts'
import { offboard } from '../../src/offboard/offboard.ts'
import { digestOfReceipt } from '../../src/offboard/receipt.ts'
import { callOff } from '../../src/offboard/secure.ts'
import { setStatus } from '../../src/registry/registry.ts'
import { keyOf, lifecycleOf, provisioned, useFolder } from '../archive/support.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { findRemains } from './remains.ts'

const world = useWorld([])
const folder = useFolder()
let lifecycle: Lifecycle

beforeAll(() => {
  lifecycle = lifecycleOf(world)
})

const statusOf = async (key: string) => (await world.tenancy().find(key))?.status

describe('off-boarding', () => {
  it('wants the key once more, before anything happens', async () => {
    const tenant = await provisioned(lifecycle, 'meant')
    for (const confirm of ['MEANT', 'Meant', 'other'])
      expect(await codeOf(offboard(lifecycle, tenant, { confirm, backup: 'skip' }))).toBe('VALIDATION_ERROR')
    expect(await statusOf('meant')).toBe('active')
    const none = keyOf(lifecycle, 'nobody')
    expect(await codeOf(offboard(lifecycle, none, { confirm: 'nobody', backup: 'skip' }))).toBe(
      'TENANT_NOT_FOUND',
    )
  })

  it('backs up, drops everything, and leaves a receipt, a tombstone and nothing else', async () => {
    const tenant = await provisioned(lifecycle, 'leaving')
    const tenancy = world.tenancy()
    await tenancy.query('leaving', `insert into notes (body) values ('a'), ('b')`)
    expect((await findRemains(lifecycle, tenant)).map(({ kind }) => kind).sort()).toEqual([
      'role',
      'rows',
      'schema',
      'status',
    ])
    const to = folder.path('leaving')
    const options = { confirm: 'leaving', backup: { to }, requestedBy: 'ticket 7' }
    const receipt = await offboard(lifecycle, tenant, options)
    expect(receipt).toMatchObject({
      tenant: 'leaving',
      schema: 'c_leaving',
      status: 'deleted',
      requestedBy: 'ticket 7',
      executedBy: world.adminRole,
      rows: 2,
      tables: [{ name: 'notes', rows: 2, bytes: expect.any(Number) }],
      backup: { file: to, sha256: (await inspectArchive(to)).sha256 },
    })
    expect(receipt.bytes).toBeGreaterThan(8000)
    expect(await findRemains(lifecycle, tenant)).toEqual([])
    expect(await statusOf('leaving')).toBe('deleted')
    expect(await codeOf(tenancy.query('leaving', 'select 1'))).toBe('SCHEMA_MISSING')
    // Asked again, it says the same.
    const again = await offboard(lifecycle, tenant, options)
    expect(digestOfReceipt(again)).toBe(digestOfReceipt(receipt))
    expect(digestOfReceipt({ ...receipt, rows: 1 })).not.toBe(digestOfReceipt(receipt))
    // And a new life of the key has an end of its own.
    await restoreTenant(lifecycle, tenant, { from: to })
    const second = await offboard(lifecycle, tenant, { confirm: 'leaving', backup: 'skip' })
    expect(second).toMatchObject({ rows: 2, backup: null, requestedBy: null })
  })

  describe('nothing is dropped that is not its own any more', () => {
    let [connects, saving, after] = [0, 0, 0]
    let meanwhile = async () => {}
    /** An administrator that does something else right before it writes down that it may drop, or right behind that. */
    const watched = (): Lifecycle => {
      const adminPool = new Proxy(lifecycle.adminPool, {
        get: (pool, name) => {
          if (name !== 'connect') return Reflect.get(pool, name)
          return async () => {
            const turn = ++connects
            if (saving > 0 && turn === saving + after) await meanwhile()
            const client = await pool.connect()
            return new Proxy(client, {
              get: (one, key) => {
                const value = Reflect.get(one, key)
                if (typeof value !== 'function') return value
                return (...values: unknown[]) => {
                  if (saving === 0 && /^update .*tenant_offboarding/.test(String(values[0]))) saving = turn
                  return Reflect.apply(value, one, values)
                }
              },
            })
          }
        },
      })
      return { ...lifecycle, adminPool }
    }
    const leave = async (key: string) => {
      connects = 0
      const tenant = await provisioned(lifecycle, key)
      return await offboard(watched(), tenant, { confirm: key, backup: 'skip' })
    }
    beforeAll(async () => {
      // What is asked once in a process comes first.
      await leave('first')
      saving = 0
      await leave('alone')
      expect(saving).toBeGreaterThan(0)
    })
    const visitOf = (key: string) => {
      const tenant = keyOf(lifecycle, key)
      return { lifecycle, tenant, place: placeOf(lifecycle, tenant) }
    }
    const begunOf = async (key: string) => {
      const found = await inAdminTransaction(world.admin, (admin) =>
        latest(admin, lifecycle.registry, keyOf(lifecycle, key)),
      )
      if (!found) throw new Error('not begun')
      return found
    }
    const write = (key: string) =>
      world.tenancy().query(key, `insert into notes (body) values ('acknowledged')`)
    const another: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
      'somebody has called it off': async (key) => {
        expect(await callOff(visitOf(key), await begunOf(key))).toBe(true)
        await write(key)
      },
      'the key is another tenant’s by now': async (key) => {
        await world.tenancy().drop(key)
        await world.tenancy().provision(key, { reuseDeletedKey: true })
        await write(key)
      },
      'it was called off and begun anew, with more in it': async (key) => {
        const begun = await begunOf(key)
        expect(await callOff(visitOf(key), begun)).toBe(true)
        await write(key)
        const { registry } = lifecycle
        await inAdminTransaction(world.admin, async (admin) => {
          await setStatus(admin, registry, visitOf(key).tenant, 'deleting')
          const receipt = { ...begun.receipt, startedAt: new Date().toISOString() }
          await open(admin, registry, visitOf(key).tenant, { ...begun, receipt, backedUp: false })
        })
      },
    }
    const given = 'the key is another tenant’s by now'
    const cases: (readonly [what: string, when: string, turns: number])[] = [
      ...Object.keys(another).map((what) => [what, 'it may drop', 0] as const),
      [given, 'it drops', 1],
      [given, 'its last step', 3],
    ]

    it.each(cases)('%s, right before %s', async (what, _when, turns) => {
      const key = `k${Object.keys(another).indexOf(what)}-${turns}`
      after = turns
      let done = false
      meanwhile = async () => {
        if (done) return
        done = true
        await another[what]?.(key)
      }
      expect(await codeOf(leave(key))).toBe('CONFLICT')
      expect(done).toBe(true)
      const rows = await world.root.query(`select body from "c_${key}".notes`)
      expect(rows.rows).toEqual([{ body: 'acknowledged' }])
    })
  })

  it('puts the tenant back into service when the backup fails', async () => {
    const tenant = await provisioned(lifecycle, 'diskfull')
    const to = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('no space left'), { code: 'ENOSPC' })),
    })
    await expect(offboard(lifecycle, tenant, { confirm: 'diskfull', backup: { to } })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      details: { reason: 'ENOSPC' },
    })
    expect(await statusOf('diskfull')).toBe('active')
    expect((await world.tenancy().query('diskfull', 'select * from notes')).rows).toEqual([])
  })

  it('waits for running scopes, whose writes are in the backup', async () => {
    const tenant = await provisioned(lifecycle, 'busy')
    const to = folder.path('busy')
    let receipt: ReturnType<typeof offboard> | undefined
    await world.tenancy().withTenant('busy', async (db) => {
      await db.query('select 1')
      receipt = offboard(lifecycle, tenant, { confirm: 'busy', backup: { to } })
      await eventually(async () => {
        const { rows } = await world.root.query(
          `select from pg_locks where not granted and relation = 'c_busy._tenant_c_'::regclass`,
        )
        return rows.length === 1
      })
      await db.query(`insert into notes (body) values ('last words')`)
    })
    expect((await receipt)?.rows).toBe(1)
  })

  it('gives up when they stay, changing nothing; or ends them, when told to', async () => {
    const tenant = await provisioned(lifecycle, 'stays')
    let finish = () => {}
    const stay = new Promise<void>((resolve) => {
      finish = resolve
    })
    let entered = () => {}
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    const scope = world.tenancy().withTenant('stays', async (db) => {
      await db.query(`insert into notes (body) values ('never committed')`)
      entered()
      await stay
      await db.query('select 1')
    })
    const outcome = codeOf(scope)
    await inside
    const options = { confirm: 'stays', backup: 'skip', drain: 100 } as const
    await expect(offboard(lifecycle, tenant, options)).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { scopes: 1 },
    })
    expect(await statusOf('stays')).toBe('active')
    // Only who may end those sessions can.
    const root: Lifecycle = { ...lifecycle, adminPool: world.root }
    const receipt = await offboard(root, tenant, { ...options, onBusy: 'terminate', drain: 2_000 })
    expect(receipt.rows).toBe(0)
    finish()
    expect(await outcome).toBe('CONNECTION_LOST')
  })
})
