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
    for (const line of ['doctor', 'backup acme', 'export acme', 'migrate --dry-run']) {
      const { exit, stderr } = await run(line)
      expect([line, exit, stderr.split(':')[0]]).toEqual([
        line,
        line.startsWith('migrate') ? 3 : 6,
        'INVALID_OPTION',
      ])
    }
    expect((await run('drop acme --confirm acme')).exit).toBe(EXIT.usage)
    expect((await run('drop acme --confirm acme --no-backup')).stdout).toBe('acme is gone.\n')
  })
})

describe('level row', () => {
  const project = useProject(
    `isolation: 'row', migrations: [{ id: '1', sql: 'create table notes (tenant_id text, body text)' }]`,
  )

  it('registers and drops a tenant', async () => {
    expect((await project.run('create acme')).exit).toBe(EXIT.ok)
    expect((await project.run('env acme')).stdout).toContain('TENANT_SCHEMA=app')
    expect((await project.run('status')).exit).toBe(EXIT.unavailable)
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
