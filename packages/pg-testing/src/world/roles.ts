import type pg from 'pg'
import { dropSql } from '../postgres/databases.ts'
import type { TestDatabase } from '../postgres/types.ts'
import { uniqueName } from '../postgres/unique-name.ts'

/** The roles a careful team would use: nobody among them is a superuser. Names are unique on the server. */
export interface Roles {
  /** the application: NOINHERIT, no rights of its own; its password is `app` */
  readonly appRole: string
  /** the administrator as managed PostgreSQL gives one: CREATEROLE, may create in the database; its password is `admin` */
  readonly adminRole: string
  /** for roles of tenants; those that have it go with the database */
  readonly rolePrefix: string
}

export async function makeRoles(root: pg.Pool, database: TestDatabase, createdb: boolean): Promise<Roles> {
  const [appRole, adminRole] = [uniqueName('app'), uniqueName('adm')]
  const start = uniqueName('r').slice(-12)
  await root.query(`create role ${appRole} login noinherit password 'app'`)
  await root.query(`create role ${adminRole} login createrole ${createdb ? 'createdb' : ''} password 'admin'`)
  await root.query(`grant create on database ${database.name} to ${adminRole}`)
  return { appRole, adminRole, rolePrefix: `${start.replace(/^[^a-z]*/, 'r')}_` }
}

const BEGINNING = `select 'database' as kind, datname as name from pg_database where starts_with(datname, $1)
  union all select 'role', rolname from pg_roles where starts_with(rolname, $1) order by kind`

/** Databases and roles of tenants belong to the server, not to the database: they are dropped one by one. */
export async function dropRoles(client: pg.Client, { appRole, adminRole, rolePrefix }: Roles): Promise<void> {
  const { rows } = await client.query<{ kind: string; name: string }>(BEGINNING, [rolePrefix])
  const own = [adminRole, appRole].map((name) => ({ kind: 'role', name }))
  for (const { kind, name } of [...rows, ...own]) {
    const quoted = client.escapeIdentifier(name)
    await client.query(kind === 'role' ? `drop role if exists ${quoted}` : dropSql(name))
  }
}
