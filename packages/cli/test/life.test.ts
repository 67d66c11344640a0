import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { typing } from './support.ts'

const SEED = `seed: async (db, tenant) => {
  if (tenant === 'secretive') throw new Error('hunter2')
  if (tenant === 'broken') await db.query("insert into notes (body) values (null)")
  await db.query("insert into notes (body) values ($1) on conflict do nothing", ['hello ' + tenant])
}`
const project = useProject(SEED)
const { run, world } = project

const notes = async (key: string) =>
  (await world.root.query<{ body: string }>(`select body from c_${key}.notes`)).rows.map(({ body }) => body)
const statusOf = async (key: string) => {
  const { tenants } = (await run('list --json')).json<{ tenants: { key: string; status: string }[] }>()
  return tenants.find((tenant) => tenant.key === key)?.status
}

describe('create', () => {
  it('plans without making anything', async () => {
    const { exit, stdout } = await run('create acme --dry-run')
    expect(exit).toBe(EXIT.ok)
    expect(stdout).toContain('schema c_acme')
    expect(stdout).toContain(`role ${world.rolePrefix}acme`)
    expect(stdout).toContain('0001_notes')
    expect(await statusOf('acme')).toBeUndefined()
  })

  it('makes a tenant with its first rows, and completes it when repeated', async () => {
    const first = await run('create acme --plan pro --seed')
    expect(first).toMatchObject({ exit: EXIT.ok, stderr: '' })
    expect(first.stdout).toBe('acme is there, 1 migration applied.\n')
    expect(await notes('acme')).toEqual(['hello acme'])
    const again = await run('create acme --json')
    expect(again.json()).toEqual({ tenant: 'acme', created: false, migrations: [], seeded: false })
  })

  it.each(['Acme', 'a b', '', 'pg_x"'])('refuses the key %j', async (key) => {
    const { exit, stderr } = await run(`create ${key.replace(' ', '\u00a0')}`)
    expect(exit).toBe(EXIT.usage)
    expect(stderr).toContain('INVALID_TENANT_KEY')
  })

  it('asks for no seed that is not there, before anything is made', async () => {
    const config = `export default { rolePrefix: '${world.rolePrefix}' }`
    await writeFile(join(project.folder, 'empty.mjs'), config)
    const { exit } = await run('create globex --seed --config empty.mjs')
    expect(exit).toBe(EXIT.configuration)
    expect(await statusOf('globex')).toBeUndefined()
  })
})

describe('suspend, resume, env', () => {
  it('takes a tenant out of service and back', async () => {
    expect((await run('suspend acme --dry-run')).stdout).toContain('would be suspended')
    expect(await statusOf('acme')).toBe('active')
    expect((await run('suspend acme --reason unpaid --json')).json()).toMatchObject({ changed: true })
    expect((await run('list --status suspended')).stdout).toMatch(/acme +suspended \(unpaid\)/)
    expect((await run('suspend acme')).stdout).toContain('not in service already')
    expect((await run('resume acme')).stdout).toContain('in service again')
    expect(await statusOf('acme')).toBe('active')
  })

  it.each(['suspend', 'resume', 'env', 'seed', 'backup', 'export', 'status', 'migrate'])(
    '%s refuses a tenant there is not',
    async (name) => {
      const { exit, stderr } = await run(`${name} nobody`, { env: { LANG: 'pt_BR.UTF-8' } })
      expect(exit).toBe(EXIT.refused)
      expect(stderr).toContain('TENANT_NOT_FOUND: Cliente desconhecido.')
    },
  )

  it('shows how to work as a tenant, and no secret', async () => {
    const { stdout } = await run('env acme')
    expect(stdout).toContain(`TENANT_ROLE=${world.rolePrefix}acme`)
    expect(stdout).not.toContain(':app@')
    const { exit, stderr } = await run('env acme --rotate')
    expect(exit).toBe(EXIT.unavailable)
    expect(stderr).toContain('At level role tenants do not log in')
  })
})

describe('list', () => {
  it('shows nothing that a terminal would obey', async () => {
    await run('suspend acme', {})
    await world.root.query(
      `update tenancy.tenant set suspended_reason = e'\\x1b[31mred\\u202e' where key = 'acme'`,
    )
    const { stdout } = await run('list')
    expect(stdout).toContain('\\u001b[31mred\\u202e')
    expect(stdout).not.toContain('\u001b')
    await run('resume acme')
  })

  it('has no colours where there is no terminal', async () => {
    expect((await run('list', { env: { FORCE_COLOR: '1' } })).stdout).not.toContain('\u001b')
  })

  it('goes page by page', async () => {
    await run('create bravo')
    await run('create charlie')
    const keys = async (line: string) =>
      (await run(line)).json<{ tenants: { key: string }[] }>().tenants.map(({ key }) => key)
    expect(await keys('list --json --limit 2')).toEqual(['acme', 'bravo'])
    expect(await keys('list --json --after bravo')).toEqual(['charlie'])
  })
})

describe('seed', () => {
  it('goes on when it fails for one, of which nothing is kept', async () => {
    await run('create broken')
    const result = await run('seed --all --json')
    expect(result.exit).toBe(EXIT.failed)
    expect(result.lines()).toContainEqual(
      expect.objectContaining({
        tenant: 'broken',
        ok: false,
        error: expect.objectContaining({ code: expect.any(String) }),
      }),
    )
    expect(result.lines().at(-1)).toEqual({ type: 'report', ok: false, done: 4, failed: 1, stopped: false })
    expect(await notes('charlie')).toEqual(['hello charlie'])
    expect(await notes('broken')).toEqual([])
  })

  it.each(['seed secretive', 'create secretive --seed'])(
    '%s shows no text of an error of the seed',
    async (line) => {
      await run('create secretive')
      const { exit, stdout, stderr } = await run(line)
      expect([EXIT.failed, EXIT.internal]).toContain(exit)
      expect(stderr).toContain('INTERNAL_ERROR')
      expect(stdout + stderr).not.toContain('hunter2')
    },
  )

  it('stops when asked to, and says how to go on', async () => {
    const { exit, stderr } = await run('seed --all', { signal: AbortSignal.abort() })
    expect(exit).toBe(EXIT.interrupted)
    expect(stderr).toContain('Run it again')
  })
})

describe('drop', () => {
  it('says what would go', async () => {
    const { exit, json } = await run('drop bravo --dry-run --json')
    expect(exit).toBe(EXIT.ok)
    expect(json()).toMatchObject({ tenant: 'bravo', tables: expect.any(Number), dryRun: true })
    expect(await statusOf('bravo')).toBe('active')
  })

  it.each(['bravo2\n', '\n', 'BRAVO\n'])('does nothing when %j is typed', async (text) => {
    const { exit } = await run('drop bravo', { stdin: typing(text), terminal: true })
    expect(exit).toBe(EXIT.usage)
    expect(await statusOf('bravo')).toBe('active')
  })

  it('does nothing when it is interrupted at the question', async () => {
    const stop = new AbortController()
    const waiting = Object.assign(typing(''), { isTTY: true })
    stop.abort()
    const { exit } = await run('drop bravo', { stdin: waiting, terminal: true, signal: stop.signal })
    expect(exit).toBe(EXIT.interrupted)
    expect(await statusOf('bravo')).toBe('active')
  })

  it('backs up, drops and writes a receipt, once its key is typed', async () => {
    const { exit, stdout, stderr } = await run('drop bravo', { stdin: typing('bravo\n'), terminal: true })
    expect(stderr).toContain('Type its key')
    expect(exit).toBe(EXIT.ok)
    expect(stdout).toMatch(
      /bravo is gone: .*\n {2}backup {3}.*bravo-.*\.pgtenant, sha256 \w{64}\n {2}receipt {2}sha256/,
    )
    const [file = ''] = await readdir(join(project.folder, 'backups'))
    expect(file).toMatch(/^bravo-/)
    const there = await world.root.query(`select from pg_namespace where nspname = 'c_bravo'`)
    expect(there.rowCount).toBe(0)
    expect((await readFile(join(project.folder, 'backups', file))).length).toBeGreaterThan(0)
  })

  it('keeps the tenant in service when the backup cannot be written', async () => {
    const { exit } = await run('drop charlie --confirm charlie --backup /nowhere/at/all')
    expect(exit).not.toBe(EXIT.ok)
    expect(await statusOf('charlie')).toBe('active')
  })

  it('drops without a backup only when told so', async () => {
    const { exit, json } = await run('drop charlie --confirm charlie --no-backup --requested-by T-42 --json')
    expect(exit).toBe(EXIT.ok)
    expect(json()).toMatchObject({
      status: 'deleted',
      backup: null,
      requestedBy: 'T-42',
      digest: expect.any(String),
    })
    const again = await run('create charlie')
    expect(again.exit).toBe(EXIT.refused)
    expect(again.stderr).toContain('CONFLICT: This is not possible as things stand.')
    expect(again.stderr).toContain('pg-tenant create <key> --reuse-deleted-key')
    expect((await run('create charlie --dry-run')).exit).toBe(EXIT.refused)
    expect((await run('create charlie --reuse-deleted-key')).exit).toBe(EXIT.ok)
  })
})
