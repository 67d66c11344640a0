import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  connectPostgres,
  leakedBackends,
  type PostgresServer,
  startPostgres,
  TestPostgresError,
  uniqueName,
} from '../../src/postgres/index.ts'
import { query } from './fixtures/child.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server?.stop())

const names = async (): Promise<string[]> =>
  (await query<{ datname: string }>(server.url, 'SELECT datname FROM pg_database')).map((row) => row.datname)

const buildNotes = async (url: string): Promise<void> => {
  await query(url, `CREATE TABLE notes (text text); INSERT INTO notes VALUES ('from the template')`)
}

describe('createDatabase', () => {
  it('yields databases that share nothing', async () => {
    const [a, b] = [await server.createDatabase(), await server.createDatabase()]
    await query(a.url, 'CREATE TABLE only_in_a ()')
    expect(a.name).not.toBe(b.name)
    expect(await query(b.url, `SELECT to_regclass('only_in_a') AS found`)).toEqual([{ found: null }])
    await a.drop()
    await b.drop()
  })

  it('drops a database in use, and twice', async () => {
    const database = await server.createDatabase()
    const client = new pg.Client(database.url)
    client.on('error', () => undefined)
    await client.connect()
    await database.drop()
    await database.drop()
    expect(await names()).not.toContain(database.name)
  })

  it('fails with a code for a template that is gone', async () => {
    const template = { name: 'pgtt_template_gone', id: 'gone' }
    await expect(server.createDatabase({ template })).rejects.toMatchObject({ code: 'DATABASE_FAILED' })
  })
})

describe('template', () => {
  it('is built once and cloned with its data', async () => {
    let builds = 0
    const build = async (url: string): Promise<void> => {
      builds += 1
      await buildNotes(url)
    }
    const id = uniqueName('notes')
    const [template] = await Promise.all([server.template(id, build), server.template(id, build)])
    const clones = await Promise.all([1, 2, 3].map(() => server.createDatabase({ template })))
    await query(clones[0]!.url, `DELETE FROM notes`)
    expect(await query(clones[1]!.url, 'SELECT text FROM notes')).toEqual([{ text: 'from the template' }])
    expect(builds).toBe(1)
    for (const clone of clones) await clone.drop()
  })

  it('keeps nothing of a build that failed, and the next one may succeed', async () => {
    const id = uniqueName('fails_once')
    const before = await names()
    const cause = new Error('no')
    await expect(server.template(id, () => Promise.reject(cause))).rejects.toMatchObject({
      code: 'TEMPLATE_FAILED',
      cause,
    })
    expect(await names()).toEqual(before)
    await expect(server.template(id, buildNotes)).resolves.toMatchObject({ id })
  })

  it('says so if the build leaves connections open', { tags: 'slow' }, async () => {
    const leave = async (url: string): Promise<void> => {
      const client = new pg.Client(url)
      client.on('error', () => undefined)
      await client.connect()
    }
    await expect(server.template(uniqueName('leaves'), leave)).rejects.toThrow(
      'build() left connections open',
    )
  })
})

describe('connectPostgres', () => {
  it('attaches to the running server, which its stop() leaves alone', async () => {
    const attached = await connectPostgres(server.url)
    const database = await attached.createDatabase()
    await attached.stop()
    expect(attached).toMatchObject({ source: 'url', version: server.version })
    expect(await names()).toContain(database.name)
    await database.drop()
    await expect(attached.restart()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('fails with a code and without the password', async () => {
    const failure = connectPostgres('postgres://me:secret@127.0.0.1:1/x')
    await expect(failure).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' })
    await expect(failure).rejects.not.toThrow('secret')
  })
})

describe('leakedBackends', () => {
  it('counts sessions left in a transaction of this database only', async () => {
    const [leaky, clean] = [await server.createDatabase(), await server.createDatabase()]
    const clients = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = new pg.Client(leaky.url)
        await client.connect()
        return client
      }),
    )
    await clients[0]?.query('BEGIN')
    await clients[1]?.query('BEGIN')
    await clients[1]?.query('SELECT 1/0').catch(() => undefined)
    expect(await leakedBackends(leaky.url, { settleMs: 50 })).toBe(2)
    expect(await leakedBackends(clean.url)).toBe(0)
    await Promise.all(clients.map((client) => client.end()))
    expect(await leakedBackends(leaky.url, { settleMs: 10_000 })).toBe(0)
    await leaky.drop()
    await clean.drop()
  })

  it('refuses a role that cannot see', async () => {
    const role = uniqueName('blind')
    await query(server.url, `CREATE ROLE ${role} LOGIN PASSWORD 'blind'`)
    const url = Object.assign(new URL(server.url), { username: role, password: 'blind' }).href
    await expect(leakedBackends(url)).rejects.toMatchObject({ code: 'INSUFFICIENT_PRIVILEGE' })
    await query(server.url, `DROP ROLE ${role}`)
  })
})

describe('options', () => {
  it('refuses a URL of something else and settings for a running server', async () => {
    const code = 'INVALID_OPTION'
    await expect(startPostgres({ url: 'mysql://x' })).rejects.toMatchObject({ code })
    await expect(startPostgres({ url: server.url, settings: { a: 'b' } })).rejects.toMatchObject({ code })
  })

  it('refuses prefixes that make no name', () => {
    expect(uniqueName('role')).toMatch(/^role_[0-9a-f]{12}$/)
    expect(() => uniqueName('Robert"; DROP')).toThrow(TestPostgresError)
  })
})
