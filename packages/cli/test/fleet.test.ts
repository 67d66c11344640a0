import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const project = useProject()
const { run, world } = project

beforeAll(async () => {
  for (const key of ['acme', 'bravo', 'charlie']) await run(`create ${key}`)
})

describe('status and migrate', () => {
  it('are content when nobody is behind', async () => {
    expect(await run('status')).toMatchObject({ exit: EXIT.ok, stderr: 'Nobody is behind.\n' })
    expect(await run('migrate')).toMatchObject({ exit: EXIT.ok, stdout: 'Nobody is behind.\n' })
  })

  it('say who is behind, and what would run, once for all', async () => {
    await project.migration('0002_tags', 'create table tags (name text primary key)')
    const status = await run('status --json')
    expect(status.exit).toBe(EXIT.failed)
    expect(status.json()).toMatchObject({ upToDate: false, migrations: [{ lack: 0 }, { lack: 3 }] })
    expect((await run('status bravo --quiet')).stdout).toMatch(/0002_tags .* 1 .* bravo\n$/)
    const plan = await run('migrate --dry-run')
    expect(plan.exit).toBe(EXIT.ok)
    expect(plan.stdout.match(/create table tags/g)).toHaveLength(1)
    expect(plan.stdout).toContain('2 other tenants')
    expect((await run('status')).exit).toBe(EXIT.failed)
  })

  it('stop when asked to, and say how to go on', async () => {
    const { exit, stderr } = await run('migrate', { signal: AbortSignal.abort() })
    expect(exit).toBe(EXIT.interrupted)
    expect(stderr).toContain('Run pg-tenant migrate again')
  })

  it('migrate one, then the others, a line each', async () => {
    const one = await run('migrate bravo --json')
    expect(one.lines()).toMatchObject([
      { type: 'tenant', tenant: 'bravo', state: 'migrated', applied: ['0002_tags'] },
      { type: 'report', ok: true, migrated: 1 },
    ])
    const rest = await run('migrate --connections 2')
    expect(rest.exit).toBe(EXIT.ok)
    expect(rest.stdout).toMatch(/^2 tenants up to date in /)
    expect(rest.stderr).toMatch(/1\/2 tenants, .*\/s, .* left\n2\/2 tenants/)
  })

  it('draw a bar on a terminal and clear it away', async () => {
    await project.migration('0003_more', 'create table more (id int)')
    const { stderr } = await run('migrate', { terminal: true })
    expect(stderr).toMatch(/█+ 3\/3 tenants/)
    expect(stderr.endsWith('\r\u001b[2K')).toBe(true)
  })

  it('report a failure by code, without values, and touch no other tenant', async () => {
    await world.root.query(`insert into c_acme.notes (body) values ('hunter2')`)
    await project.migration(
      '0004_check',
      `alter table notes add constraint ck_body check (body <> 'hunter2')`,
    )
    const result = await run('migrate --canary acme --max-failures 2')
    expect(result.exit).toBe(EXIT.failed)
    expect(result.stderr).toMatch(/^acme: .*0004_check/)
    expect(result.stdout).toContain('a canary failed')
    expect(result.stdout + result.stderr).not.toContain('hunter2')
    expect((await run('migrate --canary acme --max-failures 2 --json')).lines().at(-1)).toMatchObject({
      stopped: 'canary',
      untouched: 2,
    })
    await rm(join(project.folder, 'migrations', '0004_check.sql'))
  })

  it('refuse an edited migration', async () => {
    await project.migration('0003_more', 'create table more (id bigint)')
    expect((await run('migrate acme --recheck')).exit).toBe(EXIT.refused)
    expect((await run('create acme')).exit).toBe(EXIT.refused)
    await project.migration('0003_more', 'create table more (id int)')
  })
})

describe('verify', () => {
  it('proves isolation', async () => {
    const { exit, stdout } = await run('verify')
    expect(stdout).toMatch(/^isolation level role, 3 tenants/)
    expect(exit).toBe(EXIT.ok)
  })

  it('finds what is open', async () => {
    await world.root.query(`grant ${world.rolePrefix}acme to ${world.rolePrefix}bravo`)
    const result = await run('verify acme bravo --json')
    expect(result.exit).toBe(EXIT.failed)
    expect(result.json()).toMatchObject({ ok: false })
    await world.root.query(`revoke ${world.rolePrefix}acme from ${world.rolePrefix}bravo`)
  })
})

describe('doctor', () => {
  it('finds a table that only one tenant has', async () => {
    await world.root.query('create table c_bravo.odd (id int)')
    const { exit, stdout } = await run('doctor')
    expect(exit).toBe(EXIT.failed)
    expect(stdout).toMatch(/DRIFT {2}bravo/)
    expect((await run('doctor --json')).json()).toMatchObject({ ok: false, counts: { DRIFT: 1 } })
    await world.root.query('drop table c_bravo.odd')
  })
})

describe('stats and advise', () => {
  it('show sizes and the server', async () => {
    const { exit, stdout } = await run('stats acme --exact')
    expect(exit).toBe(EXIT.ok)
    expect(stdout).toMatch(/acme +active +\d+ (bytes|kB)/)
    expect(stdout).toContain('server: ')
    expect((await run('stats --json --sort key')).json()).toMatchObject({ totals: { tenants: 3 } })
    expect((await run('stats --limit 1')).stdout).toContain('and 2 tenants more')
  })

  it('advise when storage runs out', async () => {
    const result = await run('advise --storage 1MB --json')
    expect(result.exit).toBe(EXIT.failed)
    expect(result.json()).toMatchObject({
      advice: expect.arrayContaining([expect.objectContaining({ id: 'storage' })]),
    })
  })
})
