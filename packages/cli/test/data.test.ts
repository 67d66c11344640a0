import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { pgTenantBytes } from './support.ts'

const project = useProject()
const { run, world } = project
const bodies = async (schema: string) =>
  (await world.root.query<{ body: string }>(`select body from ${schema}.notes order by 1`)).rows.map(
    ({ body }) => body,
  )

beforeAll(async () => {
  for (const key of ['acme', 'bravo']) {
    await run(`create ${key}`)
    await world.root.query(`insert into c_${key}.notes (body) values ('one of ${key}'), ('two')`)
  }
})

it('backs a tenant up and restores it under another key', async () => {
  const backup = await run('backup acme --to acme.pgtenant --json')
  expect(backup.exit).toBe(EXIT.ok)
  expect(backup.json()).toMatchObject({
    tenant: 'acme',
    rows: 2,
    file: join(project.folder, 'acme.pgtenant'),
  })
  expect((await stat(join(project.folder, 'acme.pgtenant'))).mode & 0o077).toBe(0)
  const copy = await run('restore copy --from acme.pgtenant')
  expect(copy.exit).toBe(EXIT.ok)
  expect(copy.stdout).toContain('copy is as acme was at')
  expect(await bodies('c_copy')).toEqual(['one of acme', 'two'])
})

it('never overwrites a backup', async () => {
  expect((await run('backup bravo --to acme.pgtenant')).exit).toBe(EXIT.refused)
})

it('looks into a backup without a database', async () => {
  const { exit, stdout } = await run('restore acme --from acme.pgtenant --dry-run', {
    env: { DATABASE_URL: '' },
  })
  expect(exit).toBe(EXIT.ok)
  expect(stdout).toMatch(/^Whole: acme at .*0001_notes/)
  expect(stdout).toMatch(/notes +2/)
})

it('finds a damaged backup', async () => {
  const bytes = await readFile(join(project.folder, 'acme.pgtenant'))
  await writeFile(join(project.folder, 'cut.pgtenant'), bytes.subarray(0, bytes.length - 20))
  for (const line of ['restore fresh --from cut.pgtenant', 'restore fresh --from cut.pgtenant --dry-run']) {
    expect((await run(line)).exit).toBe(EXIT.failed)
  }
})

it('replaces data only when the key is repeated', async () => {
  await world.root.query(`insert into c_acme.notes (body) values ('three')`)
  const refused = await run('restore acme --from acme.pgtenant')
  expect(refused.exit).toBe(EXIT.refused)
  expect(refused.stderr).toContain('say --replace')
  expect((await run('restore acme --from acme.pgtenant --replace --confirm bravo')).exit).toBe(EXIT.usage)
  expect(await bodies('c_acme')).toHaveLength(3)
  expect((await run('restore acme --from acme.pgtenant --replace --confirm acme')).exit).toBe(EXIT.ok)
  expect(await bodies('c_acme')).toEqual(['one of acme', 'two'])
})

it('goes through pipes', async () => {
  const backup = await pgTenantBytes(['backup', 'bravo', '--to', '-'], {
    cwd: project.folder,
    env: project.env,
  })
  expect(backup.exit).toBe(EXIT.ok)
  const piped = Object.assign(Readable.from([backup.bytes]), { isTTY: false })
  expect((await run('restore piped --from -', { stdin: piped })).exit).toBe(EXIT.ok)
  expect(await bodies('c_piped')).toEqual(['one of bravo', 'two'])
})

it('backs all up, a line each', async () => {
  await run('suspend bravo')
  const result = await run('backup --all --folder all --json')
  await run('resume bravo')
  expect(result.exit).toBe(EXIT.ok)
  const there = (await readdir(join(project.folder, 'all'))).map((name) => name.split('-')[0])
  expect(there).toEqual(['acme', 'bravo', 'copy', 'piped'])
  expect(result.lines().at(-1)).toEqual({ type: 'report', ok: true, done: 4, failed: 0, stopped: false })
})

it('exports for people', async () => {
  await world.root.query(`insert into c_acme.app_settings (key, value) values ('k', 'enc:v1:abc')`)
  const csv = await run('export acme --format csv --to out')
  expect(csv.exit).toBe(EXIT.ok)
  expect(await readFile(join(project.folder, 'out', 'notes.csv'), 'utf8')).toContain('one of acme')
  expect(await readFile(join(project.folder, 'out', 'app_settings.csv'), 'utf8')).toContain('enc:***')
  const lines = await run('export acme --to -')
  expect(lines.lines()).toContainEqual({ table: 'notes', row: { id: 1, body: 'one of acme' } })
  expect((await run('export acme --to out')).exit).toBe(EXIT.refused)
})

it('says what pg_dump cannot do, before anything is made', async () => {
  expect((await run('backup acme --format pg_dump --to -')).exit).toBe(EXIT.usage)
  const missing = await run('backup acme --format pg_dump --programs nowhere --to x.dump')
  expect(missing.exit).toBe(EXIT.failed)
  expect(missing.stderr).toContain('pg_dump is not installed here')
  expect((await readdir(project.folder)).filter((name) => name.startsWith('x.dump'))).toEqual([])
  await writeFile(join(project.folder, 'alone.dump'), 'PGDMP and no manifest')
  const alone = await run('restore acme --from alone.dump --dry-run')
  expect(alone.exit).toBe(EXIT.refused)
  expect(alone.stderr).toContain('no manifest')
})
