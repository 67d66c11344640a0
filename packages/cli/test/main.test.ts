import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { CATALOGUE } from '../src/commands/catalogue.ts'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { eventually } from './world.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const project = useProject()
const { world } = project

function start(...argv: string[]): ChildProcess {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return spawn(process.execPath, ['--conditions=@org/source', MAIN, ...argv], {
    cwd: project.folder,
    env: { PATH, NODE_COMPILE_CACHE, ...project.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function ended(child: ChildProcess) {
  const [stdout, stderr, [exit]] = await Promise.all([
    child.stdout ? text(child.stdout) : '',
    child.stderr ? text(child.stderr) : '',
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { exit, stdout, stderr }
}

beforeAll(async () => {
  for (const key of ['acme', 'bravo', 'charlie'])
    expect(await project.run(`create ${key}`)).toMatchObject({ exit: EXIT.ok })
})

it('ends with its exit code, and by itself', async () => {
  expect(await ended(start('list', '--json'))).toMatchObject({ exit: EXIT.ok, stderr: '' })
  expect(await ended(start('lst'))).toMatchObject({ exit: EXIT.usage, stdout: '' })
})

it('needs neither a configuration nor a database for help', async () => {
  expect(await ended(start('migrate', '--help', '--config', 'nowhere.ts'))).toMatchObject({ exit: EXIT.ok })
})

it('has no option that node takes for its own, wherever it stands', async () => {
  // `node main.js create a --env-file x` is node's: it exits with 9, or loads x into the environment.
  const modules = await Promise.all(CATALOGUE.map(({ load }) => load()))
  const flags = modules.flatMap(({ options = [] }) =>
    options.map(({ flags: names }) => `${names.split(' ')[0]}`),
  )
  expect(flags).toContain('--write-env')
  const { exit, stderr } = await ended(start('nothing', ...flags.flatMap((flag) => [flag, 'nowhere'])))
  expect(exit).toBe(EXIT.usage)
  expect(stderr).toContain('USAGE')
})

/** A migration that waits for a lock on acme, until `release`. */
async function waitingMigration(name: string) {
  await project.migration(name, `create table ${name.slice(5)} (name text)`)
  const holder = await world.root.connect()
  await holder.query('begin; lock table c_acme._tenant_migration')
  const child = start('migrate', '--connections', '1', '--lock-timeout', '60000')
  const end = ended(child)
  await eventually(async () => {
    const { rowCount } = await world.root.query(
      `select from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())`,
    )
    return rowCount !== 0
  })
  const release = async () => {
    await holder.query('rollback')
    holder.release()
  }
  return { child, end, release }
}

it('finishes the tenant it is at when it is interrupted, and the next run goes on', async () => {
  const { child, end, release } = await waitingMigration('0002_tags')
  child.kill('SIGINT')
  await once(child.stderr ?? child, 'data')
  await release()
  const { exit, stdout, stderr } = await end
  expect(stderr).toContain('Stopping: what is under way is finished first')
  expect(stderr).toContain('Run pg-tenant migrate again to go on')
  expect(exit).toBe(EXIT.interrupted)
  expect(stdout).toContain('1 tenant up to date')
  expect(stdout).toContain('2 not touched')
  expect(await project.run('migrate')).toMatchObject({
    exit: EXIT.ok,
    stdout: expect.stringMatching(/^2 tenants/),
  })
})

it('ends at once when it is interrupted again, and nothing half-made is left', { tags: 'slow' }, async () => {
  const { child, end, release } = await waitingMigration('0003_more')
  child.kill('SIGINT')
  await once(child.stderr ?? child, 'data')
  child.kill('SIGINT')
  expect((await end).exit).toBe(EXIT.interrupted)
  await release()
  expect(await project.run('migrate')).toMatchObject({ exit: EXIT.ok })
  expect(await project.run('status')).toMatchObject({ exit: EXIT.ok })
})
