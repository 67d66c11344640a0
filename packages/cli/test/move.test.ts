import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PostgresServer, startPostgres, type TestWorld, testWorld } from '@org/pg-testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
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

it('refuses what cannot be, by exit code', async () => {
  expect((await project.run('move nobody us')).exit).not.toBe(EXIT.ok)
  const mars = await project.run('move acme mars')
  expect(mars.exit).not.toBe(EXIT.ok)
  expect(mars.stderr).toContain('one of eu, us')
  const from = await project.run('move acme eu --from eu') // it is in us by now
  expect(from.exit).not.toBe(EXIT.ok)
})

it('shows a cluster that is away as such', async () => {
  const { stdout, exit } = await project.run('stats --fleet --config away.mjs')
  expect(exit).toBe(EXIT.connection)
  expect(stdout).toMatch(/away +CONNECTION_LOST/)
  expect(stdout).toMatch(/eu +\d/)
})
