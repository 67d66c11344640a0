// @module-tag slow: several hubs at once, and one of an earlier release; every other test opens a hub.
import type { Queryable } from '@org/core'
import pg from 'pg'
import { afterEach, expect, it } from 'vitest'
import type { HubConfig } from '../src/config.ts'
import { openGovernance } from '../src/hub/governance.ts'
import { type Hub, type HubExtras, openHub } from '../src/hub/open-hub.ts'
import { inviteOperator, PLATFORM } from '../src/hub/platform.ts'
import { createLog } from '../src/log.ts'
import { useWorld } from './support/world.ts'

const world = useWorld({ POOL_SIZE: '2' })
const opened: Hub[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((hub) => hub.close()))
})

/** Another replica. */
async function open(config: Partial<HubConfig> = {}, extras: HubExtras = {}): Promise<Hub> {
  const hub = await openHub({ ...world.config, ...config }, createLog('silent'), extras)
  opened.push(hub)
  return hub
}
const users = (hub: Hub) =>
  hub.inTenant(PLATFORM, async (db) => (await db.query<{ email: string }>('select email from "user"')).rows)

it('opens several at once on an empty database, one after the other', async () => {
  const name = `empty_${Math.random().toString(36).slice(2, 8)}`
  const on = (address: string) => Object.assign(new URL(address), { pathname: `/${name}` }).href
  const config = {
    DATABASE_URL: on(world.config.DATABASE_URL),
    ADMIN_DATABASE_URL: on(world.config.ADMIN_DATABASE_URL),
    CONTROL_DATABASE_URL: on(String(world.config.CONTROL_DATABASE_URL)),
    ROLE_PREFIX: `${world.config.ROLE_PREFIX}e_`,
  }
  const admin = pg.escapeIdentifier(new URL(config.ADMIN_DATABASE_URL).username)
  await world.root.query(`create database ${name}`)
  await world.root.query(`grant create on database ${name} to ${admin}`)
  const first = new pg.Client(config.DATABASE_URL)
  try {
    await first.connect()
    await first.query(`begin; select pg_advisory_xact_lock(hashtextextended('hub.start', 0))`)
    const opening = Promise.all([open(config), open(config), open(config)])
    const waiting = `select from pg_stat_activity where datname = $1 and wait_event = 'advisory'`
    await expect.poll(async () => (await world.root.query(waiting, [name])).rowCount).toBe(3)
    const made = await first.query(`select to_regnamespace('rbac') as rbac, to_regnamespace('hub') as hub`)
    expect(made.rows, 'before its turn nobody makes anything').toEqual([{ rbac: null, hub: null }])
    await first.end()
    const [hub] = await opening
    expect(await users(hub)).toEqual([{ email: world.config.OPERATOR_EMAIL }])
  } finally {
    await first.end().catch(() => {})
    await Promise.all(opened.splice(0).map((hub) => hub.close()))
    await world.root.query(`drop database ${name} with (force)`)
  }
})

it('makes the first operator only', async () => {
  const hub = await open({ OPERATOR_EMAIL: 'somebody.else@example.com' })
  expect(await users(hub)).toEqual([{ email: 'operator@example.com' }])
  expect(await inviteOperator(hub)).toBeUndefined()
  expect(await inviteOperator(world.hub), 'who has a password').toBeUndefined()
})

it('brings the tenants of an earlier release up to date', async () => {
  await world.onboard('early')
  const migrations = [{ id: '9001_later', sql: 'create table later (id int)' }]
  await open({}, { migrations })
  const { rows } = await world.root.query(`select to_regclass('c_early.later') is not null as there`)
  expect(rows).toEqual([{ there: true }])
})

it('knows the catalogue as it is now, also when an older answer comes later', async () => {
  const { control, tenancy } = world.hub
  let gate: Promise<unknown> | undefined
  const reached = Promise.withResolvers<void>()
  const slow: Queryable = {
    query: async (text, values) => {
      const answer = await control.query<never>(text, values)
      if (text.includes('rbac_catalog()') && gate) {
        reached.resolve()
        await gate
      }
      return answer
    },
  }
  const governance = await openGovernance(slow, tenancy)
  const add = (key: string) => world.root.query('insert into rbac.tool (key, name) values ($1, $1)', [key])
  const held = Promise.withResolvers<void>()
  await add('older')
  gate = held.promise
  const older = governance.reload()
  await reached.promise
  await add('newer')
  gate = undefined
  const newer = governance.reload()
  // Time for it to overtake, if it could.
  const trips = async () => {
    for (let trip = 0; trip < 50; trip++) await world.root.query('select 1')
  }
  await Promise.race([newer, trips()])
  held.resolve()
  await Promise.all([older, newer])
  expect((await governance.current()).catalog.tools).toHaveProperty('newer')
})
