import type { FileWorld } from '@org/pg-testing/vitest'
import pg from 'pg'
import { afterAll } from 'vitest'
import type { AdoptOptions, Tenancy, TenancyOptions } from '../../src/index.ts'
import { BASELINE } from './legacy.ts'

/** A database and a login for each app, tables in public, as a provisioning service made them: app_<name>, user_<name>. */
export function useLegacyApps(world: FileWorld<Tenancy, TenancyOptions>) {
  const databaseOf = (name: string) => `${world.rolePrefix}app_${name}`
  const roleOf = (name: string) => `${world.rolePrefix}user_${name}`
  const pools: pg.Pool[] = []
  afterAll(() => Promise.all(pools.map((pool) => pool.end())))

  const urlOf = (name: string, user?: string) => {
    const url = Object.assign(new URL(world.url), { pathname: `/${databaseOf(name)}` })
    return Object.assign(url, user === undefined ? {} : { username: user, password: 'legacy' }).href
  }
  const connect = (name: string, user?: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString: urlOf(name, user), max: 3 })
    pool.on('error', () => {})
    pools.push(pool)
    return pool
  }
  /** As CREATE DATABASE … OWNER leaves it: the login owns all of it, and everybody may connect. @returns as the one who owns it */
  const makeApp = async (name: string): Promise<pg.Pool> => {
    const [database, role] = [databaseOf(name), roleOf(name)]
    await world.root.query(`create role ${role} login password 'legacy'`)
    await world.root.query(`grant ${role} to ${world.adminRole} with admin option`)
    await world.root.query(`create database ${database} owner ${role}`)
    const own = connect(name, role)
    await own.query(`${BASELINE.sql}; insert into notes (body) select 'note ' || g from generate_series(1, 3) g;
      insert into tags select id, 'x' from notes`)
    return own
  }
  const wanted = (name: string, more: AdoptOptions = {}): AdoptOptions => ({
    database: databaseOf(name),
    schema: 'public',
    role: roleOf(name),
    password: 'legacy',
    baseline: BASELINE.id,
    ...more,
  })
  return { databaseOf, roleOf, connect, makeApp, wanted }
}
