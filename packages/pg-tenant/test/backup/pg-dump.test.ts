import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { dumpTenant, whyNoDump } from '../../src/backup/pg-dump/dump.ts'
import { runProgram, versionOf } from '../../src/backup/pg-dump/program.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
const PROGRAMS = '/usr/lib/postgresql/15/bin'
let lifecycle: Lifecycle
let major = 0

const installed = (await versionOf('pg_dump', PROGRAMS)) !== undefined

beforeAll(async () => {
  lifecycle = lifecycleOf(world)
  major = Number(
    (await world.root.query(`select current_setting('server_version_num')::int / 10000 as m`)).rows[0].m,
  )
})

describe('pg_dump', () => {
  it('that is not there is missed, with a way out', async () => {
    const tenant = await provisioned(lifecycle, 'nowhere')
    const programs = folder.path('no-programs')
    expect(await whyNoDump(lifecycle, programs)).toBe('pg_dump is not installed here')
    await expect(dumpTenant(lifecycle, tenant, { to: folder.path('x'), programs })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: expect.stringContaining("format: 'archive'"),
    })
  })

  it.skipIf(!installed)(
    'of an older version than the server is refused, and of the same one used',
    async () => {
      const tenant = await provisioned(lifecycle, 'dumped')
      await world.tenancy().query('dumped', `insert into notes (body) values ('kept')`)
      const to = folder.path('dumped')
      if (major > 15) {
        expect(await whyNoDump(lifecycle, PROGRAMS)).toBe(
          `pg_dump is version 15, older than the server's ${major}`,
        )
        expect(await codeOf(dumpTenant(lifecycle, tenant, { to, programs: PROGRAMS }))).toBe(
          'SERVICE_UNAVAILABLE',
        )
        return
      }
      const dump = await dumpTenant(lifecycle, tenant, { to, programs: PROGRAMS })
      const bytes = await readFile(to)
      expect(dump).toMatchObject({
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        programVersion: 15,
      })
      expect(await codeOf(dumpTenant(lifecycle, tenant, { to, programs: PROGRAMS }))).toBe('CONFLICT')
      expect((await readdir(dirname(to))).filter((name) => name.startsWith('dumped'))).toEqual(['dumped'])
      const { stdout } = await promisify(execFile)(`${PROGRAMS}/pg_restore`, ['--file=-', to])
      expect(stdout).toContain('CREATE TABLE c_dumped.notes')
      expect(stdout).toContain('1\tkept')
      expect(stdout).not.toContain('_tenant_migration')
    },
  )

  it.skipIf(!installed)('that fails says why, without values or passwords', async () => {
    const url = new URL(world.adminUrl)
    const connection = {
      host: url.hostname,
      port: Number(url.port),
      user: 'nobody_at_all',
      database: url.pathname.slice(1),
      password: 'hunter2',
      sslMode: undefined,
    }
    const error = await runProgram('pg_dump', PROGRAMS, ['--no-password'], connection).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', details: { program: 'pg_dump', exitCode: 1 } })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })
})
