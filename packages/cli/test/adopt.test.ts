import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { useFolder } from './support.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const project = useProject()
const files = useFolder()
const { run, world } = project
const BASELINE = '--baseline 0001_notes'

const legacy = (schema: string, more = '') =>
  world.root.query(`set role ${world.adminRole}; create schema "${schema}"; set search_path to "${schema}";
    create table notes (id bigint generated always as identity primary key, body text unique not null);
    create table app_settings (key text primary key, value text not null, updated_at timestamptz not null default now());
    insert into notes (body) values (current_schema()); ${more}; reset role; reset search_path`)

beforeAll(async () => {
  for (const schema of ['client_acme', 'client_bravo', 'Client-Big']) await legacy(schema)
})

describe('adopt', () => {
  it('says all that is in the way, and how to mend it', async () => {
    const { exit, stdout } = await run('adopt acme --schema client_acme --dry-run')
    expect(exit).toBe(EXIT.failed)
    expect(stdout).toContain('BASELINE_MISSING')
    expect(stdout).toContain('--baseline 0001_notes, or none')
    const ready = await run(`adopt acme --schema client_acme ${BASELINE} --dry-run --json`)
    expect([ready.exit, ready.json()]).toMatchObject([
      EXIT.ok,
      { tenant: 'acme', adopted: false, findings: [] },
    ])
    await legacy('drifted', 'drop table app_settings')
    const drifted = await run(`adopt drifted --schema drifted ${BASELINE}`)
    expect(drifted.exit).toBe(EXIT.refused)
    expect(drifted.stdout).toContain('--accept-drift')
    expect((await run('adopt drifted --schema nowhere --baseline none')).exit).toBe(EXIT.refused)
  })

  it('adopts one, undoes that, adopts and confirms it', async () => {
    expect(await run(`adopt big --schema Client-Big ${BASELINE}`)).toMatchObject({ exit: EXIT.ok })
    expect((await run('list')).stdout).toContain('big')
    expect(await run('adopt big --undo')).toMatchObject({ exit: EXIT.ok })
    expect((await run('list')).stdout).not.toContain('big')
    const adopted = await run(`adopt big --schema Client-Big ${BASELINE} --json`)
    expect(adopted.json()).toMatchObject({
      adopted: true,
      earlierOwners: [world.adminRole],
      baseline: '0001_notes',
    })
    expect((await run('adopt big')).stdout).not.toContain('none')
    expect((await run('adopt big --confirm --end-sessions --json')).json()).toEqual({
      tenant: 'big',
      confirmed: true,
      changed: true,
    })
    expect((await run('adopt big --confirm')).stdout).toContain('nothing to confirm')
    expect((await run('adopt big --undo')).exit).toBe(EXIT.refused)
  })

  it('adopts all, whose keys are what the * stands for, and confirms all', { tags: 'slow' }, async () => {
    const dry = await run(`adopt --all --schemas client_* ${BASELINE} --dry-run`)
    expect(dry).toMatchObject({ exit: EXIT.ok, stdout: '2 schemas could be adopted, 0 not.\n' })
    const lost = await run('adopt --all --schemas client_* --dry-run')
    expect(lost.stdout).toContain('0 schemas could be adopted, 2 not. Found: BASELINE_MISSING 2×.')
    expect(lost.stdout.match(/Say the newest that it has/g), 'what mends it, once').toHaveLength(1)
    const { exit, lines } = await run(`adopt --all --schemas client_* ${BASELINE} --json`)
    expect(exit).toBe(EXIT.ok)
    expect(lines()).toMatchObject([
      { type: 'tenant', tenant: 'acme', ok: true, schema: 'client_acme', adopted: true },
      { type: 'tenant', tenant: 'bravo', ok: true, schema: 'client_bravo', adopted: true },
      { type: 'report', ok: true, done: 2, failed: 0 },
    ])
    const again = await run(`adopt --all --schemas client_* ${BASELINE}`)
    expect([again.exit, again.stderr]).toEqual([
      EXIT.ok,
      expect.stringContaining('2 schemas adopted already'),
    ])
    expect((await run('adopt --all --confirm')).stdout).toBe('2 adoptions confirmed.\n')
    expect((await run('verify')).exit).toBe(EXIT.ok)
  })

  it('says that nothing fits a pattern', async () => {
    expect(await run(`adopt --all --schemas nothing_* ${BASELINE}`)).toMatchObject({
      exit: EXIT.refused,
      stderr: expect.stringMatching(/No schema fits nothing_\*\. There are .*public/),
    })
  })

  it('takes keys from a file', async () => {
    await legacy('Kunde 7')
    const map = await files.write('keys.json', JSON.stringify({ 'Kunde 7': 'kunde-7' }))
    const words = ['adopt', '--all', '--schemas', 'Kunde*', '--key-from', map, '--baseline', '0001_notes']
    expect((await run(words.join(' '))).exit).toBe(EXIT.ok)
    expect((await run('list')).stdout).toContain('kunde-7')
    await legacy('Kunde 8')
    expect(await run(words.join(' '))).toMatchObject({
      exit: EXIT.configuration,
      stderr: expect.stringContaining('Kunde 8'),
    })
    expect(await run('adopt --all --schemas Kunde* --key-from name --baseline 0001_notes')).toMatchObject({
      exit: EXIT.refused,
      stderr: expect.stringMatching(
        /No key of a tenant comes of Kunde 8: it takes a-z.*\{"Kunde 8":"kunde-8"\}/,
      ),
    })
  })

  it.each([
    '',
    'acme --all',
    'acme --confirm --undo',
    '--all',
    '--all --schemas x --schema y',
    'acme --schemas x',
    'acme --undo --dry-run',
    'acme --end-sessions',
    '--all --schemas client_acme --baseline none',
    '--all --schemas x_* --roles login --baseline none',
  ])('does not understand %j', async (words) => {
    expect((await run(`adopt ${words}`.trim())).exit).toBe(EXIT.usage)
  })
})

it('goes on where it was killed', { tags: 'slow' }, async () => {
  const many = Array.from({ length: 12 }, (_, at) => `many_${at}`)
  for (const schema of many) await legacy(schema)
  const words = ['adopt', '--all', '--schemas', 'many_*', '--baseline', '0001_notes', '--json']
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, ['--conditions=@org/source', MAIN, ...words], {
    cwd: project.folder,
    env: { PATH, NODE_COMPILE_CACHE, ...project.env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let seen = ''
  child.stdout.on('data', (data) => {
    seen += data
    if (seen.split('\n').length > 3) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const rest = await run(words.join(' '))
  expect(rest.exit).toBe(EXIT.ok)
  expect(rest.lines().length).toBeLessThan(many.length)
  const { rows } = await world.root.query(
    `select count(*)::int as n from tenancy.tenant t where schema_name like 'many\\_%' and status = 'active'`,
  )
  expect(rows).toEqual([{ n: many.length }])
  expect((await run('adopt --all --undo --json')).lines().at(-1)).toMatchObject({ ok: true, failed: 0 })
  const { rows: left } =
    await world.root.query(`select nspname from pg_namespace n join pg_class c on c.relnamespace = n.oid
    where nspname like 'many\\_%' and relname like '\\_tenant\\_%'`)
  expect(left).toEqual([])
})
