import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PostgresServer, startPostgres, type TestWorld, testWorld } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../src/exit-codes.ts'
import { useProject } from './project.ts'

const project = useProject()
// Roles are a server's: the same tenant in two clusters is two roles.
let server: PostgresServer | undefined
let us: TestWorld | undefined

beforeAll(async () => {
  const { world, folder } = project
  server = await startPostgres()
  const there = await testWorld({ server: server.url })
  us = there
  const at = ({ appUrl, adminUrl }: Pick<TestWorld, 'appUrl' | 'adminUrl'>) =>
    `{ databaseUrl: '${appUrl}', adminUrl: '${adminUrl}' }`
  const away = `{ databaseUrl: 'postgres://u@127.0.0.1:1/d' }`
  const config = (more: string) =>
    `export default { rolePrefix: '${world.rolePrefix}', placements: { eu: ${at(world)}, us: ${at(there)}${more} } }`
  await writeFile(join(folder, 'pg-tenant.config.mjs'), config(''))
  await writeFile(join(folder, 'away.mjs'), config(`, away: ${away}`))
})

afterAll(async () => {
  // A tenant's role has the other world's prefix, so that this world does not find it; its server goes at once.
  await us?.close().catch(() => {})
  await server?.stop()
})

it('moves a tenant, after a dry run, and shows the fleet', async () => {
  expect((await project.run('create acme --placement eu --plan pro')).exit).toBe(EXIT.ok)
  // Nobody ever was in us: there is no control schema yet, and a new cluster is what one moves tenants to.
  expect((await project.run('stats --fleet')).exit).toBe(EXIT.ok)
  expect((await project.run('advise --fleet --json')).json()).toMatchObject({ moves: [], crowded: [] })
  const dry = await project.run('move acme us --dry-run --json')
  expect(dry.json()).toMatchObject({ moved: false, dryRun: true, from: 'eu', to: 'us' })
  const before = await project.run('stats --fleet --json')
  expect(before.json()).toMatchObject({
    clusters: [
      { placement: 'eu', tenants: 1, behind: 0, moving: 0 },
      { placement: 'us', tenants: 0 },
    ],
    totals: { clusters: 2, tenants: 1, away: 0 },
  })
  const moved = await project.run('move acme us')
  expect(moved.exit).toBe(EXIT.ok)
  expect(moved.stdout).toMatch(/^acme has moved from eu to us: 0 rows/)
  expect(moved.stderr.split('\n')).toEqual(expect.arrayContaining(['closed', 'switched', 'opened']))
  const listed = await project.run('list --placement us --json')
  expect(listed.json()).toMatchObject({ tenants: [{ key: 'acme', placement: 'us', plan: 'pro' }] })
  expect((await project.run('move acme us')).stdout).toContain('in us already')
  expect((await project.run('move acme us --undo')).stdout).toContain('No move of acme')
})

it('says how to name a cluster where there are several and no database', async () => {
  const { exit, stderr } = await project.run('doctor', { env: { DATABASE_URL: '' } })
  expect(exit).toBe(EXIT.configuration)
  expect(stderr).toContain('Give --placement with one of: eu, us')
})

it('refuses what cannot be, by exit code', async () => {
  expect((await project.run('move nobody us')).exit).not.toBe(EXIT.ok)
  const mars = await project.run('move acme mars')
  expect(mars.exit).not.toBe(EXIT.ok)
  expect(mars.stderr).toContain('one of eu, us')
  const from = await project.run('move acme eu --from eu') // it is in us by now
  expect(from.exit).not.toBe(EXIT.ok)
})

it('speaks of its own options, and of the cluster that does not answer', async () => {
  const refused = await project.run('move acme eu --replication --dry-run')
  expect(refused).toMatchObject({
    exit: EXIT.refused,
    stderr: expect.stringContaining('leave --replication out'),
  })
  const away = await project.run('move acme eu --dry-run --config away.mjs')
  expect(away).toMatchObject({ exit: EXIT.connection, stderr: expect.stringContaining('placement: away') })
})

it('shows a cluster that is away as such', async () => {
  const { stdout, exit } = await project.run('stats --fleet --config away.mjs')
  expect(exit).toBe(EXIT.connection)
  expect(stdout).toMatch(/away +CONNECTION_LOST/)
  expect(stdout).toMatch(/eu +\d/)
})

describe('a plan', { tags: 'slow' }, () => {
  beforeAll(async () => {
    for (const key of ['one', 'two', 'three']) await project.run(`create ${key} --placement eu`)
    const config = await readFile(join(project.folder, 'pg-tenant.config.mjs'), 'utf8')
    const full = config.replace(/placements: \{ eu: \{/, 'placements: { eu: { thresholds: { tenants: 3 },')
    await writeFile(join(project.folder, 'full.mjs'), full)
  })

  it('is proposed by advise, and changes nothing', async () => {
    const advice = await project.run('advise --fleet --json --config full.mjs')
    expect(advice.exit).toBe(EXIT.failed)
    expect(advice.json()).toMatchObject({
      clusters: [
        { placement: 'eu', advice: expect.arrayContaining([expect.objectContaining({ id: 'tenants' })]) },
        { placement: 'us' },
      ],
      moves: [{ from: 'eu', to: 'us', why: 'tenants' }],
      crowded: [],
    })
    const told = await project.run('advise --fleet --config full.mjs')
    expect(told.stdout).toMatch(/one|two|three {2}eu → us {2}\(.*too many tenants/)
    const dry = await project.run('move --plan --dry-run --config full.mjs --json')
    expect(dry.json()).toMatchObject({ moves: [{ from: 'eu', to: 'us' }], dryRun: true })
    expect((await project.run('list --placement eu --json')).json()).toMatchObject({ tenants: { length: 3 } })
  })

  it('is carried out, and then there is nothing left to move', async () => {
    const moved = await project.run('move --plan --config full.mjs')
    expect(moved.stdout).toContain('1 tenant moved, 0 failed.')
    expect(moved.stderr).not.toContain('nothing to move')
    expect(moved.exit).toBe(EXIT.ok)
    expect((await project.run('move --plan --config full.mjs')).stderr).toContain('nothing to move')
    expect((await project.run('advise --fleet --config full.mjs --json')).json()).toMatchObject({ moves: [] })
  })

  it('says with its exit code, and in the last line of --json, that a cluster stays too full', async () => {
    const config = await readFile(join(project.folder, 'full.mjs'), 'utf8')
    // Nobody may have a single one.
    const crowded = config.replace('placements: {', 'thresholds: { tenants: 1 }, placements: {')
    await writeFile(join(project.folder, 'crowded.mjs'), crowded.replace('{ tenants: 3 }', '{ tenants: 1 }'))
    for (const line of ['move --plan --dry-run', 'move --plan']) {
      const { exit, stdout } = await project.run(`${line} --config crowded.mjs`)
      expect(exit).toBe(EXIT.failed)
      expect(stdout).toContain('eu stays too full (tenants')
    }
    const { stdout } = await project.run('move --plan --config crowded.mjs --json')
    const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(last).toMatchObject({ type: 'report', ok: false, failed: 0 })
    expect(last.crowded).toEqual(expect.arrayContaining([expect.objectContaining({ placement: 'eu' })]))
  })

  it('names whom an earlier run has left out of service', async () => {
    const { root } = project.world
    const status = (to: string) =>
      root.query(`update tenancy.tenant set status = $1 where key = 'acme-left'`, [to])
    await project.run('create acme-left --placement eu')
    // As a process leaves it that is killed while it moves.
    await status('moving')
    const dry = await project.run('move --plan --dry-run --json')
    expect(dry.json()).toMatchObject({ underWay: [{ tenant: 'acme-left', from: 'eu', to: null }] })
    const told = await project.run('move --plan')
    expect(told.stderr).toContain('acme-left is out of service: its move from eu was cut off.')
    expect(told.exit).toBe(EXIT.failed)
    await status('active')
    expect((await project.run('move --plan --dry-run --json')).json()).toMatchObject({ underWay: [] })
  })

  it.each([
    ['move --plan acme us', '--plan takes no key'],
    ['move acme us --limit 3', '--limit and --storage go with --plan'],
    ['move acme', 'Give a key and a placement'],
    ['move --plan --config away.mjs', 'CONNECTION_LOST'],
    ['move --plan --config away.mjs', 'placement: away'],
    ['advise --fleet --config away.mjs', 'placement: away'],
  ])('refuses %s', async (line, told) => {
    const { exit, stderr } = await project.run(line)
    expect(exit).not.toBe(EXIT.ok)
    expect(stderr).toContain(told)
  })
})
