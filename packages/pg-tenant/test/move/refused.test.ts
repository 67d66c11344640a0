// @module-tag sampled
import { isTenancyError } from '@org/core'
import { beforeAll, expect, it } from 'vitest'
import { createFleet, type IsolationLevel, type MoveOptions, type TenancyOptions } from '../../src/index.ts'
import { notesAt, useSetting } from '../levels/setting.ts'
import { hasTurn, inTurn } from '../support/sample.ts'

// Two databases stand for two clusters: nothing is shared between their registries.
const settings = { eu: useSetting(), us: useSetting() }
const us = (sql: string) => settings.us.world.root.query(sql)
const eu = (sql: string) => settings.eu.world.root.query(sql)
const admin = () => settings.us.world.adminRole

interface Case {
  readonly level?: IsolationLevel
  readonly to?: string
  readonly how?: MoveOptions
  /** Of the tenancy it is to go to. */
  readonly there?: Partial<TenancyOptions> & { isolation?: IsolationLevel }
  /** What is so while it is asked, and is undone behind it. */
  readonly while?: (key: string) => readonly [() => Promise<unknown>, () => Promise<unknown>]
  readonly refused: { readonly code: string; readonly reason?: string; readonly says: RegExp }
}

const option = (says: RegExp) => ({ code: 'INVALID_OPTION', says })
const conflict = (reason: string, says: RegExp) => ({ code: 'CONFLICT', reason, says })

const SHARED = {
  id: '0001',
  sql: 'create table others (tenant_id text not null, id int, primary key (tenant_id, id))',
}

const CASES: Record<string, Case> = {
  'a placement that is not there': { to: 'mars', refused: option(/one of eu, us/) },
  'a place it comes from that is not there': { how: { from: 'mars' }, refused: option(/one of eu, us/) },
  'a place it is not in': { how: { from: 'us' }, refused: conflict('from', /not where/) },
  'a tenant of the key that was cut off there': {
    while: (key) => [
      () =>
        us(
          `insert into tenancy.tenant (prefix, key, isolation, status) values ('role_', '${key}', 'role', 'provisioning')`,
        ),
      () => us(`delete from tenancy.tenant where key = '${key}'`),
    ],
    refused: conflict('key_taken', /has a tenant of that key/),
  },
  'a tenant of the key in service there': {
    while: (key) => [
      () =>
        us(
          `insert into tenancy.tenant (prefix, key, isolation, status) values ('role_', '${key}', 'role', 'active')`,
        ),
      () => us(`delete from tenancy.tenant where key = '${key}'`),
    ],
    refused: { code: 'CONFLICT', says: /cluster/ },
  },
  'a migration that is another there': {
    there: { migrations: [{ ...notesAt('role'), sql: 'create table notes ()' }] },
    refused: conflict('version', /does not know, or not with the same text/),
  },
  'a migration that is unknown there': {
    there: { migrations: [] },
    refused: conflict('version', /Deploy the same/),
  },
  'shared tables there, without one of its own': {
    there: { isolation: 'row', migrations: [SHARED], row: { schema: 'apart' } },
    while: () => [
      () => settings.us.tenancy('row', { migrations: [SHARED], row: { schema: 'apart' } }).provision('first'),
      async () => {},
    ],
    refused: conflict('tables', /do not make: table notes/),
  },
  'a function that names its schema': {
    there: { schemaPrefix: 'z_' },
    while: (key) => [
      () =>
        eu(
          `create function "role_${key}".n() returns bigint language sql as 'select count(*) from "role_${key}".notes'`,
        ),
      () => eu(`drop function "role_${key}".n()`),
    ],
    refused: conflict('named', /is named in the text of function .*n\(\)/),
  },
  'less room than it takes': { how: { room: 8_000 }, refused: conflict('room', /more bytes/) },
  'no right to make roles there': {
    while: () => [
      () => us(`alter role ${admin()} nocreaterole`),
      () => us(`alter role ${admin()} createrole`),
    ],
    refused: option(/CREATEROLE/),
  },
  'no right to make schemas there': {
    while: () => {
      const database = new URL(settings.us.world.url).pathname.slice(1)
      return [
        () => us(`revoke create on database ${database} from ${admin()}`),
        () => us(`grant create on database ${database} to ${admin()}`),
      ]
    },
    refused: option(/CREATE ON DATABASE/),
  },
  'no right to make databases there': {
    level: 'database',
    while: () => [() => us(`alter role ${admin()} nocreatedb`), () => us(`alter role ${admin()} createdb`)],
    refused: option(/CREATEDB/),
  },
  'a role of somebody else’s in its place': {
    while: (key) => [
      () => us(`create role "${settings.us.world.rolePrefix}role_${key}" login`),
      () => us(`drop role "${settings.us.world.rolePrefix}role_${key}"`),
    ],
    refused: { code: 'CONFLICT', says: /role of that name/ },
  },
  'a type that it has and there is not': {
    while: (key) => [
      () =>
        eu(
          `create type public.shade as enum ('dark'); alter table "role_${key}".notes add shade public.shade`,
        ),
      () => eu(`alter table "role_${key}".notes drop shade; drop type public.shade`),
    ],
    refused: { code: 'DATABASE_ERROR', says: /table .*could not be made/ },
  },
  'what no archive holds': {
    while: (key) => [
      () => eu(`create publication somebodys for table "role_${key}".notes`),
      () => eu('drop publication somebodys'),
    ],
    refused: { code: 'CONFLICT', says: /publication/ },
  },
  'what hangs on it and is not its own': {
    while: (key) => [
      () => eu(`create view public.others as select * from "role_${key}".notes`),
      () => eu('drop view public.others'),
    ],
    refused: conflict('dependents', /public.others/),
  },
}

// A registry that is there already.
beforeAll(() => settings.us.tenancy('role', { migrations: [notesAt('role')] }).provision('first'))

it.each(inTurn(Object.entries(CASES), 8))(
  '%s: is refused before anything is closed',
  async (_, one) => {
    const { level = 'role', to = 'us', how = {}, there = {}, refused } = one
    const { isolation = level, ...options } = there
    const here = settings.eu.tenancy(level, { migrations: [notesAt(level)] })
    const target = settings.us.tenancy(isolation, { migrations: [notesAt(level)], ...options })
    const fleet = createFleet({ placements: { eu: here, us: target } })
    // One for all of them: each leaves it as it was.
    const key = `refused-${level}`
    await here.provision(key)
    const [take, give] = one.while?.(key) ?? []
    await take?.()
    try {
      for (const dryRun of [true, false]) {
        const steps: string[] = []
        const outcome = await fleet
          .move(key, to, { ...how, dryRun, onProgress: (step) => steps.push(step) })
          .catch((error: unknown) => error)
        expect(isTenancyError(outcome) ? outcome.message : outcome).toMatch(refused.says)
        expect(outcome).toMatchObject({
          code: refused.code,
          ...(refused.reason !== undefined && { details: { reason: refused.reason } }),
        })
        expect(steps).toEqual([])
        expect((await here.query(key, 'select 1 as one')).rows).toEqual([{ one: 1 }])
      }
    } finally {
      await give?.()
    }
    expect(await here.find(key)).toMatchObject({ status: 'active' })
    expect(await target.find(key)).toBeUndefined()
  },
  60_000,
)

it.each((['role', 'schema', 'login', 'database', 'row'] as const).filter((level) => hasTurn(level, ['row'])))(
  'level %s: a dry run leaves nothing in a cluster that nobody ever was in, and the move comes through',
  async (level) => {
    const controlSchema = `bare_${level}`
    const fleet = createFleet({
      placements: {
        eu: settings.eu.tenancy(level, { migrations: [notesAt(level)] }),
        us: settings.us.tenancy(level, { migrations: [notesAt(level)], controlSchema }),
      },
      defaultPlacement: 'eu',
    })
    const key = `tries-${level}`
    await fleet.provision(key)
    expect(await fleet.move(key, 'us', { dryRun: true })).toMatchObject({ moved: false })
    const { rows } = await us(`select to_regnamespace('${controlSchema}') as there`)
    expect(rows).toEqual([{ there: null }])
    expect(await fleet.move(key, 'us')).toMatchObject({ moved: true })
  },
  60_000,
)
