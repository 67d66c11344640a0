import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  hasPgBouncer,
  type PgBouncer,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  type TestDatabase,
  uniqueName,
} from '../../src/postgres/index.ts'
import { query } from './fixtures/child.ts'

/** A server of our own that wants a password of `alice`. */
async function strictServer(): Promise<PostgresServer> {
  const strict = await startPostgres({ url: false, prefer: 'embedded' })
  await query(strict.url, `CREATE ROLE alice LOGIN PASSWORD 'pass "word"'`)
  const [hba] = await query<{ file: string }>(strict.url, `SELECT current_setting('hba_file') AS file`)
  const rules = await readFile(hba?.file ?? '', 'utf8')
  await writeFile(hba?.file ?? '', `host all alice 127.0.0.1/32 scram-sha-256\n${rules}`)
  await strict.restart()
  const direct = Object.assign(new URL(strict.url), { username: 'alice' }).href
  await expect(query(direct, 'SELECT 1')).rejects.toThrow('password')
  return strict
}

describe.runIf(hasPgBouncer())('PgBouncer', () => {
  let server: PostgresServer
  let database: TestDatabase
  let bouncer: PgBouncer
  const role = uniqueName('bounced')

  beforeAll(async () => {
    server = await startPostgres()
    database = await server.createDatabase()
    bouncer = await startPgBouncer({ url: database.url, poolSize: 2 })
    await query(server.url, `CREATE ROLE ${role} LOGIN`)
  })
  afterAll(async () => {
    await bouncer?.stop()
    await database?.drop()
    await query(server.url, `DROP ROLE IF EXISTS ${role}`)
    await server?.stop()
  })

  const WHO = 'SELECT current_user AS who, current_database() AS where'

  it('passes queries on to the database of the URL', async () => {
    expect(await query(bouncer.url, WHO)).toEqual([
      { who: new URL(server.url).username, where: database.name },
    ])
    expect(bouncer.version).toMatch(/^\d+\.\d+/)
  })

  it('serves other databases, and other roles under their own name', async () => {
    const url = Object.assign(new URL(bouncer.url), { username: role, pathname: '/postgres' }).href
    expect(await query(url, WHO)).toEqual([{ who: role, where: 'postgres' }])
  })

  it('has the pool mode and size asked for', async () => {
    const admin = Object.assign(new URL(bouncer.url), { pathname: '/pgbouncer' }).href
    const config = await query<{ key: string; value: string }>(admin, 'SHOW CONFIG')
    const value = (key: string) => config.find((row) => row.key === key)?.value
    expect([value('pool_mode'), value('default_pool_size')]).toEqual(['transaction', '2'])
  })

  it('logs in to a server that wants passwords, with those given', async () => {
    const strict = await strictServer()
    const users = { alice: 'pass "word"' }
    const other = await startPgBouncer({ url: strict.url, poolMode: 'session', users })
    const url = Object.assign(new URL(other.url), { username: 'alice' }).href
    expect(await query(url, WHO)).toEqual([{ who: 'alice', where: 'postgres' }])
    await other.stop()
    await other.stop()
    await expect(query(url, WHO)).rejects.toThrow('ECONNREFUSED')
    await strict.stop()
  })

  it('reports its log if it does not start', async () => {
    const failure = startPgBouncer({ url: server.url, settings: { pool_mode: 'nonsense' } })
    await expect(failure).rejects.toMatchObject({ code: 'PGBOUNCER_START_FAILED' })
    await expect(failure).rejects.toThrow('pool_mode')
  })
})
