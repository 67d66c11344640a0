// @module-tag sampled
import type { Queryable } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { digestOfReceipt, inspectArchive } from '../../src/admin.ts'
import { LEVELS, openLibrary, read, write } from '../archive/library.ts'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf, eventually } from '../support/world.ts'

const setting = useSetting()
const { world } = setting
const folder = useFolder()

/** What an application keeps of its tenants beside them. */
beforeAll(async () => {
  await openLibrary(setting, 'schema').provision('first')
  await world.admin.query('create table tenancy.note_of (tenant text primary key, note text)')
})
const remember = (key: string) => world.root.query('insert into tenancy.note_of values ($1, $1)', [key])
const remembered = async (key: string) =>
  (await world.root.query('select from tenancy.note_of where tenant = $1', [key])).rowCount === 1
const onForget = (control: Queryable, tenant: string) =>
  control.query('delete from tenancy.note_of where tenant = $1', [tenant])

describe.each(LEVELS.filter((level) => hasTurn(level, ['row'])))('level %s', (level) => {
  const open = (options = {}) => openLibrary(setting, level, { onForget, ...options })
  const keyOf = (name: string) => `${name}-${level}`

  it('is left with a backup, a receipt, a tombstone, and nothing else', async () => {
    const here = open()
    const [key, other] = [keyOf('leaving'), keyOf('staying')]
    for (const one of [key, other]) {
      await here.provision(one)
      await write(here, one, ['Ada', 'Bo'])
      await remember(one)
    }
    const before = await read(here, key)
    const to = folder.path(key)
    const receipt = await here.offboard(key, { confirm: key, backup: { to }, requestedBy: 'T-1' })
    expect(receipt).toMatchObject({
      tenant: key,
      status: 'deleted',
      isolation: level,
      rows: 4,
      schema: level === 'row' ? 'app' : setting.schemaOf(level, key),
      database: level === 'database' ? setting.roleOf(level, key) : null,
      backup: { file: to, sha256: (await inspectArchive(to)).sha256 },
    })
    expect(receipt.tables.map(({ name, rows }) => [name, rows]).sort()).toEqual([
      ['author', 2],
      ['book', 2],
      ['nothing', 0],
    ])
    expect(receipt.bytes).toBeGreaterThan(0)
    const { rows } = await world.root.query(
      `select rolname from pg_roles where rolname = $1 union all select datname from pg_database where datname = $1
       union all select nspname from pg_namespace where nspname = $2 and nspname <> 'app'
       union all select key from tenancy.tenant_credential where key = $3`,
      [setting.roleOf(level, key), setting.schemaOf(level, key), key],
    )
    expect(rows).toEqual([])
    if (level === 'row')
      expect((await world.root.query('select from app.author where tenant_id = $1', [key])).rows).toEqual([])
    expect(await remembered(key)).toBe(false)
    expect(await remembered(other)).toBe(true)
    expect(await read(here, other)).toHaveLength(2)
    expect((await here.find(key))?.status).toBe('deleted')
    // Asked again, it says the same; its archive brings it back.
    const again = await here.offboard(key, { confirm: key, backup: { to } })
    expect(digestOfReceipt(again)).toBe(digestOfReceipt(receipt))
    await here.restore(key, { from: to })
    expect(await read(here, key)).toEqual(before)
  })

  it('waits for a running scope, whose writes are in the backup', async () => {
    const [here, other] = [open(), open()]
    const key = keyOf('busy')
    await here.provision(key)
    let leaving: ReturnType<typeof other.offboard> | undefined
    const to = folder.path(key)
    await here.withTenant(key, async (db) => {
      await db.query('select 1')
      leaving = other.offboard(key, { confirm: key, backup: { to } })
      await eventually(async () => {
        const { rows } = await world.root.query(
          `select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`,
          [world.adminRole],
        )
        return rows.length === 1
      })
      await db.query(`insert into nothing (id) values (1)`)
    })
    expect((await leaving)?.rows).toBe(1)
    expect((await inspectArchive(to)).summary.rows).toBe(1)
  })

  it('gives up when scopes stay, changing nothing; or ends them, when told to', async () => {
    const here = open()
    const key = keyOf('stays')
    await here.provision(key)
    let finish = () => {}
    const stay = new Promise<void>((resolve) => {
      finish = resolve
    })
    let entered = () => {}
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    const scope = codeOf(
      here.withTenant(key, async (db) => {
        await db.query('insert into nothing (id) values (1)')
        entered()
        await stay
        await db.query('select 1')
      }),
    )
    await inside
    const options = { confirm: key, backup: 'skip', drain: 100 } as const
    await expect(here.offboard(key, options)).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { scopes: 1 },
    })
    expect((await here.query(key, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    // Only who may end those sessions can.
    const root = open({ adminPool: world.root })
    expect((await root.offboard(key, { ...options, onBusy: 'terminate', drain: 2_000 })).rows).toBe(0)
    finish()
    expect(await scope).toBe('CONNECTION_LOST')
  })

  it('is in service again when its backup fails', async () => {
    const here = open()
    const key = keyOf('nowhere')
    await here.provision(key)
    const to = folder.path('no/such/folder')
    expect(await codeOf(here.offboard(key, { confirm: key, backup: { to } }))).toBe('SERVICE_UNAVAILABLE')
    expect((await here.find(key))?.status).toBe('active')
    await write(here, key, ['still here'])
  })
})

describe.skipIf(SLOW)('onForget', () => {
  it('that fails keeps the tenant from being gone, and what it did undone', async () => {
    let failing = true
    const here = openLibrary(setting, 'role', {
      onForget: async (control, tenant) => {
        await onForget(control, tenant)
        if (failing) throw new RangeError('not now')
      },
    })
    for (const leave of [
      (key: string) => here.drop(key),
      (key: string) => here.offboard(key, { confirm: key, backup: 'skip' }),
    ]) {
      await here.provision('kept')
      await remember('kept')
      failing = true
      await expect(leave('kept')).rejects.toMatchObject({
        code: 'INTERNAL_ERROR',
        cause: expect.objectContaining({ message: 'not now' }),
      })
      expect(await remembered('kept')).toBe(true)
      expect((await here.find('kept'))?.status).not.toBe('deleted')
      failing = false
      await leave('kept')
      expect(await remembered('kept')).toBe(false)
      await here.provision('again').then(() => here.drop('again'))
      await world.root.query(`delete from tenancy.tenant where key in ('kept', 'again') and prefix = 'role_'`)
    }
  })

  it('says how many rows went, and is of no use afterwards', async () => {
    let kept: Queryable | undefined
    let count: number | null = null
    const here = openLibrary(setting, 'schema', {
      onForget: async (control, tenant) => {
        kept = control
        count = (await onForget(control, tenant)).rowCount
      },
    })
    await here.provision('counted')
    await remember('counted')
    await here.drop('counted')
    expect(count).toBe(1)
    expect(await codeOf(kept?.query('select 1') ?? Promise.resolve())).toBe('SCOPE_ENDED')
  })

  it('that ends its transaction is found out', async () => {
    for (const statement of ['commit', 'commit and chain', 'rollback', `set role "${world.appRole}"`]) {
      const here = openLibrary(setting, 'schema', {
        onForget: async (control) => void (await control.query(statement)),
      })
      await here.provision('ended')
      const outcome = await codeOf(here.drop('ended'))
      expect(['STATEMENT_REFUSED', 'DATABASE_ERROR'], statement).toContain(outcome)
      await openLibrary(setting, 'schema').drop('ended')
      await world.root.query(`delete from tenancy.tenant where key = 'ended'`)
    }
  })

  it('is a function', async () => {
    expect(() => Reflect.apply(openLibrary, undefined, [setting, 'role', { onForget: 'no' }])).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})
