// @module-tag sampled
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { dropDatabase, provisionDatabase } from '../../src/admin.ts'
import type { IsolationLevel, Tenancy } from '../../src/index.ts'
import { looksAt } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import {
  countMessages,
  crashIn,
  expectHealthy,
  type Ground,
  HISTORY,
  historyOf,
  LEVELS,
  type Point,
  pointsOf,
  READY_LEVELS,
  useCrashWorld,
} from './crash-world.ts'

const world = useCrashWorld()
const IDS = HISTORY.map(({ id }) => id)

/** A tenant that was acknowledged long before: after every crash it has everything it was told is kept. */
async function useBystander(tenancy: Tenancy): Promise<{ write(): Promise<void>; check(): Promise<void> }> {
  await tenancy.provision('bystander')
  const { rows } = await tenancy.query<{ n: number }>('bystander', 'select count(*)::int as n from notes')
  let written = rows[0]?.n ?? 0
  return {
    write: async () => {
      await tenancy.query('bystander', `insert into notes (body) values ('kept')`)
      written++
    },
    check: async () => {
      const found = await tenancy.query('bystander', 'select count(*)::int as n from notes')
      expect(found.rows).toEqual([{ n: written }])
    },
  }
}

async function expectComplete(tenancy: Tenancy, key: string, where: string): Promise<void> {
  await tenancy.query(key, `insert into notes (body) values ('${key}')`)
  expect((await tenancy.query(key, 'select body from notes')).rows, where).toEqual([{ body: key }])
  expect((await tenancy.query(key, 'select name from tags')).rows, where).toEqual([])
  expect(await tenancy.find(key), where).toMatchObject({ status: 'active' })
}

/** What the registry says a tenant has. */
async function ledgerOf({ root }: Ground, key: string): Promise<string[]> {
  const { rows } = await root.query<{ id: string }>(
    'select id from tenancy.tenant_migration where key = $1 order by id',
    [key],
  )
  return rows.map(({ id }) => id)
}

/** What stands on the server belongs to the tenants in the registry, and to nobody else. */
async function expectNothingElse({ level, standing }: Ground): Promise<void> {
  const { schemas, roles, databases, rows } = await standing()
  const expected: Record<IsolationLevel, number[]> = {
    schema: [rows, rows, 0],
    role: [rows, rows, 0],
    login: [rows, rows, 0],
    row: [0, 0, 0],
    database: [0, rows, rows],
  }
  expect([schemas, roles, databases]).toEqual(expected[level])
}

const placeOf = (messages: number, { at, moment }: Point) => `message ${at} of ${messages}, ${moment}`

describe.each(LEVELS)('kill -9 of the server, level %s', (level) => {
  let ground: Ground
  let sound: Tenancy
  beforeAll(async () => {
    ground = await world.ground(level, `p${level}`)
    sound = ground.tenancy()
  })

  it.runIf(looksAt(level, 'role'))(
    'while a tenant is provisioned: the next call completes it, and nobody else lost anything',
    async () => {
      const bystander = await useBystander(sound)
      const messages = await countMessages(world, () => ground.doomed().provision('measured'))
      expect(messages).toBeGreaterThan(4)
      for (const [index, point] of pointsOf(messages).entries()) {
        const [key, where] = [`p${index}`, placeOf(messages, point)]
        await bystander.write()
        const outcome = await crashIn(world, point, () => ground.doomed().provision(key))
        await bystander.check()
        if (outcome === 'done') await sound.query(key, 'select 1')
        await sound.provision(key)
        await expectComplete(sound, key, where)
        if (level !== 'row') expect(await ledgerOf(ground, key), where).toEqual(IDS)
      }
      await expectNothingElse(ground)
      await expectHealthy(sound)
    },
  )

  it('while a tenant is dropped: the next call finishes it, and it never comes back', {
    tags: 'slow',
  }, async () => {
    const bystander = await useBystander(sound)
    await sound.provision('measured_drop')
    const messages = await countMessages(world, () => ground.doomed().drop('measured_drop'))
    for (const [index, point] of pointsOf(messages).entries()) {
      const [key, where] = [`d${index}`, placeOf(messages, point)]
      await sound.provision(key)
      await bystander.write()
      const outcome = await crashIn(world, point, () => ground.doomed().drop(key))
      await bystander.check()
      const again = await sound.drop(key)
      if (outcome === 'done') expect(again, where).toBe(false)
      expect(await sound.find(key), where).toMatchObject({ status: 'deleted' })
      expect(await codeOf(sound.query(key, 'select 1')), where).toMatch(/^(SCHEMA_MISSING|TENANT_NOT_FOUND)$/)
    }
    await expectNothingElse(ground)
    await expectHealthy(sound)
  })

  it.runIf(looksAt(level, 'row'))(
    'while it is suspended and resumed: what was acknowledged holds',
    async () => {
      await sound.provision('switched')
      for (const [to, from] of [
        ['suspend', 'resume'],
        ['resume', 'suspend'],
      ] as const) {
        await sound[from]('switched')
        const messages = await countMessages(world, () => ground.doomed()[to]('switched'))
        for (const point of pointsOf(messages)) {
          const where = `${to}, ${placeOf(messages, point)}`
          await sound[from]('switched')
          const outcome = await crashIn(world, point, () => ground.doomed()[to]('switched'))
          const status = (await sound.find('switched'))?.status
          if (outcome === 'done') expect(status, where).toBe(to === 'suspend' ? 'suspended' : 'active')
          await sound[to]('switched')
          const answer = sound.query('switched', 'select 1')
          if (to === 'suspend') expect(await codeOf(answer), where).toBe('TENANT_SUSPENDED')
          else await answer
        }
      }
      await expectHealthy(sound)
    },
  )
})

describe.each(LEVELS.filter((level) => looksAt(level, 'role')))(
  'kill -9 of the server while many are migrated, level %s',
  (level) => {
    it('leaves each with all of it or nothing, and the next run finishes the rest', async () => {
      const ground = await world.ground(level, `m${level}`)
      const keys = Array.from(
        { length: level === 'database' ? 5 : 20 },
        (_, at) => `t${String(at).padStart(2, '0')}`,
      )
      const history = [...historyOf(level)]
      const migrator = (doomed: boolean) =>
        doomed ? ground.doomed({ migrations: [...history] }) : ground.tenancy({ migrations: [...history] })
      for (const key of keys) await migrator(false).provision(key)
      const add = (name: string) =>
        history.push({
          id: `${String(history.length + 1).padStart(4, '0')}_${name}`,
          sql: `alter table notes add column ${name} int`,
        })
      add('measured')
      const messages = await countMessages(world, () => migrator(true).migrate({ connections: 3 }))
      for (const [index, point] of pointsOf(messages).entries()) {
        const where = placeOf(messages, point)
        add(`c${index}`)
        const id = history.at(-1)?.id ?? ''
        const acknowledged: string[] = []
        await crashIn(world, point, async () => {
          const report = await migrator(true).migrate({
            connections: 3,
            attempts: 1,
            throwOnFailure: false,
            onTenant: ({ tenant, state }) => state === 'migrated' && acknowledged.push(tenant),
          })
          // What it could not do it reports, or throws.
          expect(report.ok || report.failed + report.untouched > 0, where).toBe(true)
        })
        for (const key of acknowledged) expect(await ledgerOf(ground, key), where).toContain(id)
        expect(await migrator(false).migrate(), where).toMatchObject({ ok: true })
        for (const key of keys) {
          const { fields } = await ground.tenancy().query(key, `select c${index} from notes`)
          expect(fields, where).toHaveLength(1)
          if (level !== 'row')
            expect(await ledgerOf(ground, key), where).toEqual(history.map((one) => one.id))
        }
      }
      await expectHealthy(migrator(false))
    })
  },
)

describe.each(READY_LEVELS.filter((level) => looksAt(level, 'login')))(
  'kill -9 of the server, tenants made ahead, level %s',
  (level) => {
    let ground: Ground
    let sound: Tenancy
    beforeAll(async () => {
      ground = await world.ground(level, `a${level}`)
      sound = ground.tenancy()
    })
    const readyRows = async () =>
      (await ground.root.query(`select from tenancy.tenant where status = 'ready'`)).rowCount

    it('while they are filled up: each is whole or not there', { tags: 'slow' }, async () => {
      await sound.ready.count()
      const messages = await countMessages(world, () => ground.doomed().ready.fill(2))
      for (const point of pointsOf(messages)) {
        await sound.ready.clear()
        await crashIn(world, point, () => ground.doomed().ready.fill(2))
        const made = await readyRows()
        expect(await sound.ready.count()).toBe(made)
        await expectNothingElse(ground)
        expect(await sound.ready.fill(2)).toMatchObject({ ready: 2, removed: 0, updated: 0 })
        await expectHealthy(sound)
      }
      await sound.ready.clear()
    })

    it('while one is claimed: it is given once or is still there', { tags: 'slow' }, async () => {
      await sound.ready.fill(1)
      const messages = await countMessages(world, () =>
        ground.doomed().provision('measured', { fromReady: true }),
      )
      for (const [index, point] of pointsOf(messages).entries()) {
        const [key, where] = [`c${index}`, placeOf(messages, point)]
        await sound.ready.fill(1)
        const outcome = await crashIn(world, point, () => ground.doomed().provision(key, { fromReady: true }))
        const left = await readyRows()
        const found = await sound.find(key)
        // Exactly one of the two has it: its new owner, or the pool.
        expect([found?.status, left], where).toEqual(found ? ['active', 0] : [undefined, 1])
        if (outcome === 'done') expect(found, where).toBeDefined()
        expect((await sound.provision(key, { fromReady: true })).created, where).toBe(!found)
        await expectComplete(sound, key, where)
        expect(await ledgerOf(ground, key), where).toEqual(IDS)
        expect(await readyRows(), where).toBe(0)
      }
      await expectNothingElse(ground)
      await expectHealthy(sound)
    })
  },
)

describe('kill -9 of the server', () => {
  it('while the control schema is made for the first time', { tags: 'slow' }, async () => {
    const ground = await world.ground('role', 'first')
    const options = (index: number) => ({
      controlSchema: `control_${index}`,
      schemaPrefix: `first${index}_`,
      rolePrefix: `first${index}_`,
    })
    const messages = await countMessages(world, () => ground.doomed(options(99)).provision('acme'))
    for (const [index, point] of pointsOf(messages).entries()) {
      await crashIn(world, point, () => ground.doomed(options(index)).provision('acme'))
      const sound = ground.tenancy(options(index))
      await sound.provision('acme')
      await expectComplete(sound, 'acme', placeOf(messages, point))
    }
  })

  it('while an app gets its database, and while it is dropped', { tags: 'slow' }, async () => {
    const ground = await world.ground('role', 'apps')
    const admin = world.open(world.server.url, 'adm_apps', 'apps')
    const mortal = () => world.open(world.server.mortalUrl, 'adm_apps', 'apps')
    const made = await countMessages(world, () => provisionDatabase(mortal(), { app: 'measured' }))
    for (const [index, point] of pointsOf(made).entries()) {
      const [app, where] = [`made${index}`, placeOf(made, point)]
      let url: string | undefined
      await crashIn(world, point, async () => {
        url = (await provisionDatabase(mortal(), { app })).connection.url
      })
      const code = await provisionDatabase(admin, { app }).then(
        ({ connection }) => {
          url = connection.url
          return 'made'
        },
        (error: { code: string }) => error.code,
      )
      // It is complete and its string was not seen: then it is dropped and made again.
      expect(['made', 'DUPLICATE_RESOURCE'], where).toContain(code)
      if (url === undefined) {
        expect(await dropDatabase(admin, { app, confirm: app }), where).toBe(true)
        url = (await provisionDatabase(admin, { app })).connection.url
      }
      const client = new pg.Client(url)
      await client.connect()
      await client.query('create table notes (body text)')
      await client.end()
    }
    const dropped = await countMessages(world, () =>
      dropDatabase(mortal(), { app: 'measured', confirm: 'measured' }),
    )
    for (const [index, point] of pointsOf(dropped).entries()) {
      const app = `gone${index}`
      await provisionDatabase(admin, { app })
      await crashIn(world, point, () => dropDatabase(mortal(), { app, confirm: app }))
      await dropDatabase(admin, { app, confirm: app })
      const { rowCount } = await ground.root.query(
        'select from pg_roles where rolname = $1 union all select from pg_database where datname = $1',
        [`app_${app}`],
      )
      expect(rowCount, placeOf(dropped, point)).toBe(0)
    }
  })
})
