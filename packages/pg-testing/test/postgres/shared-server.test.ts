// @module-tag slow: the default set runs on a server found and made so, and looks at it in `postgres.test.ts`.
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import type { TestProject } from 'vitest/node'
import {
  type PostgresServer,
  startPostgres,
  type VitestProject,
  vitestPostgres,
} from '../../src/postgres/index.ts'
import { query, runScript } from './fixtures/child.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server?.stop())

const names = async (): Promise<string[]> =>
  (await query<{ datname: string }>(server.url, 'SELECT datname FROM pg_database')).map((row) => row.datname)

describe('two processes that want one template', () => {
  it('build it once', async () => {
    await query(server.url, 'CREATE TABLE builds (pid int)')
    const script = () => runScript<{ pid: number; url: string }>('build-template.ts', server.url)
    const children = await Promise.all([script(), script()])
    const builds = await query<{ pid: number }>(server.url, 'SELECT pid FROM builds')
    expect(builds).toHaveLength(1)
    for (const { said, exited } of children) {
      expect(await exited).toEqual([0, null])
      expect(await query(said.url, 'SELECT by FROM built')).toEqual([{ by: builds[0]?.pid }])
    }
    expect(new Set(children.map(({ said }) => said.url)).size).toBe(2)
  })
})

describe('starting on the URL of a running server', () => {
  const decoys = ['customer', 'pgtt_notes', 'pgtt_deadbeef_1_1_00000000', `pgtt_template_${'a'.repeat(24)}`]
  const stale = `pgtt_template_${'b'.repeat(24)}`

  it('sweeps what dead processes of this host left, and nothing else', async () => {
    const [dead, live] = await Promise.all(
      [1, 2].map(() => runScript<{ name: string }>('create-database.ts', server.url)),
    )
    dead?.process.kill('SIGKILL')
    await dead?.exited
    for (const name of [...decoys, stale]) await query(server.url, `CREATE DATABASE ${name}`)
    await query(server.url, `COMMENT ON DATABASE ${stale} IS 'last used 2020-01-01T00:00:00.000Z'`)
    const fresh = await server.template('fresh', async () => undefined)
    const mine = await server.createDatabase()
    expect(await names()).toContain(dead?.said.name)

    const other = await startPostgres({ url: server.url })
    const left = await names()
    expect(left).not.toContain(dead?.said.name)
    expect(left).not.toContain(stale)
    expect(left).toEqual(
      expect.arrayContaining([...decoys, live?.said.name, fresh.name, mine.name, 'postgres']),
    )
    await other.stop()
    live?.process.kill('SIGKILL')
  })

  it('drops the databases of its handle at stop()', async () => {
    const other = await startPostgres({ url: server.url })
    const database = await other.createDatabase()
    expect(other.source).toBe('url')
    await other.stop()
    expect(await names()).not.toContain(database.name)
  })
})

describe('the global set-up', () => {
  it('starts one server for all projects and stops it after the last', async () => {
    const urls: string[] = []
    const project = { provide: (_key: string, url: string) => void urls.push(url) }
    const [a, b] = [vitestPostgres({ url: false }), vitestPostgres({ url: false })]
    await Promise.all([a.setup(project), b.setup(project)])
    const url = urls[0] ?? ''
    expect(urls).toEqual([url, url])
    await a.teardown()
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await b.teardown()
    await expect(query(url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
  })

  it('takes what vitest passes', () => {
    expectTypeOf<TestProject>().toExtend<VitestProject>()
  })
})
