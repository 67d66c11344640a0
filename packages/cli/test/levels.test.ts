// @module-tag slow: commands at other levels.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

describe('level database', () => {
  const project = useProject(`isolation: 'database', migrations: []`)
  const { run, world } = project

  it('makes a database and drops it, without a backup only when told so', async () => {
    await world.root.query(`alter role ${world.adminRole} createdb`)
    const created = await run('create acme')
    expect(created.stderr).toContain('shown this once')
    expect(created.exit).toBe(EXIT.ok)
    expect((await run('env acme')).stdout).toContain(`PGDATABASE=${world.rolePrefix}acme`)
    // PUBLIC may connect to the registry's database here: a warning.
    const examined = await run('doctor')
    expect([examined.exit, examined.stdout]).toEqual([
      EXIT.failed,
      expect.stringContaining('PUBLIC_PRIVILEGE'),
    ])
    expect(examined.stderr).toContain('1 tenant, ')
    expect(await run('migrate --dry-run')).toMatchObject({
      exit: EXIT.ok,
      stderr: expect.stringContaining('Nobody is behind'),
    })
    expect((await run('backup acme --to acme.pgtenant --json')).json()).toMatchObject({
      tenant: 'acme',
      rows: 0,
    })
    expect((await run('export acme --to out')).exit).toBe(EXIT.ok)
    const dropped = await run('drop acme --confirm acme --backup last.pgtenant')
    expect(dropped.stdout).toContain('acme is gone: 0 rows')
    expect(dropped.stdout).toContain('last.pgtenant')
    expect((await run('restore acme --from last.pgtenant')).exit).toBe(EXIT.ok)
    expect((await run('drop acme --confirm acme --no-backup')).stdout).toContain('backup   none')
  })
})

describe('level row', () => {
  const project = useProject(
    `isolation: 'row', migrations: [{ id: '1', sql: 'create table notes (tenant_id text, body text)' }]`,
  )

  it('registers and drops a tenant', async () => {
    expect((await project.run('create acme')).exit).toBe(EXIT.ok)
    expect((await project.run('env acme')).stdout).toContain('TENANT_SCHEMA=app')
    const examined = await project.run('doctor')
    expect(examined.exit).toBe(EXIT.failed)
    expect(examined.stdout).toContain('warning ROW_INDEX_MISSING  notes: ')
    expect((await project.run('stats acme')).stdout).toContain('slowest migration: 1 of all tenants')
    expect((await project.run('verify')).stdout).toContain('isolation level row, 1 tenant,')
    expect((await project.run('status')).stderr).toContain('Nobody is behind')
    expect((await project.run('migrate acme')).exit).toBe(EXIT.configuration)
    expect((await project.run('drop acme --confirm acme --no-backup')).exit).toBe(EXIT.ok)
    expect((await project.run('list')).stderr).toContain('No tenants')
  })
})

describe('placements', () => {
  const project = useProject()

  it('go to the cluster that is named, whatever the environment says, and the registry knows', async () => {
    const { world, folder } = project
    const eu = `{ databaseUrl: '${world.appUrl}', adminUrl: '${world.adminUrl}' }`
    const config = `export default { rolePrefix: '${world.rolePrefix}', placements: { eu: ${eu} } }`
    await writeFile(join(folder, 'pg-tenant.config.mjs'), config)
    const env = {
      DATABASE_URL: 'postgres://u@127.0.0.1:1/d',
      ADMIN_DATABASE_URL: 'postgres://u@127.0.0.1:1/d',
    }
    expect((await project.run('create acme --placement eu', { env })).exit).toBe(EXIT.ok)
    const listed = await project.run('list --placement eu --json', { env })
    expect(listed.json()).toMatchObject({ tenants: [{ key: 'acme', placement: 'eu' }] })
    expect((await project.run('list', { env })).exit).toBe(EXIT.connection)
  })
})
