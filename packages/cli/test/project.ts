import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll } from 'vitest'
import { pgTenant, type Ran, type RunOptions, useFolder } from './support.ts'
import { useWorld, type World } from './world.ts'

/** A folder with a configuration over a database of its own, and the command run there. */
export interface Project {
  readonly world: World
  readonly folder: string
  readonly env: Record<string, string>
  run(line: string, options?: RunOptions): Promise<Ran>
  /** A migration, as a file. */
  migration(name: string, sql: string): Promise<void>
}

/** @param config the body of the configuration's object, beyond the prefix of roles */
export function useProject(config = '', before = ''): Project {
  const world = useWorld([])
  const folder = useFolder()
  const env: Record<string, string> = { SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex') }
  const project: Project = {
    world,
    get folder() {
      return folder.path
    },
    env,
    run: (line, options = {}) =>
      pgTenant(line.split(' '), { cwd: folder.path, ...options, env: { ...env, ...options.env } }),
    migration: (name, sql) => writeFile(join(folder.path, 'migrations', `${name}.sql`), sql),
  }
  beforeAll(async () => {
    Object.assign(env, { DATABASE_URL: world.appUrl, ADMIN_DATABASE_URL: world.adminUrl })
    await mkdir(join(folder.path, 'migrations'))
    await project.migration('0001_notes', NOTES)
    const options = `rolePrefix: '${world.rolePrefix}', ${config}`
    await folder.write('pg-tenant.config.mjs', `${before}\nexport default { ${options} }\n`)
  })
  return project
}

const NOTES = `create table notes (id bigint generated always as identity primary key, body text unique not null);
create table app_settings (key text primary key, value text not null, updated_at timestamptz not null default now())`
