import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { DATABASE_CHECKS } from '../../src/doctor/database-checks.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import type { Tenancy } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { codeOf } from '../support/world.ts'
import { Followed, type Repair, TRIED } from './fixes.ts'

const setting = useSetting()
const { world } = setting
let tenancy: Tenancy
const nameOf = (key: string) => setting.roleOf('database', key)
const found = async () => (await tenancy.doctor()).findings.map(lineOf)
const lineOf = ({ code, severity, subject }: Finding) => `${severity} ${code} ${subject}`
const followed = new Followed()

/** What a superuser does to the server, or in one database. */
async function root(sql: string, key?: string): Promise<void> {
  const text = named(sql)
  if (key === undefined) await world.root.query(text)
  else await setting.rootAt('database', key, text)
}
const named = (text: string) =>
  text.replaceAll('{app}', world.appRole).replaceAll(/DB\((\w+)\)/g, (_, key) => nameOf(key))

/** How many connections to tenants' databases were wanted at once, at most, while `fn` ran. */
async function mostAtOnce(fn: () => Promise<unknown>): Promise<number> {
  const { connect, end } = pg.Client.prototype
  let [open, most] = [0, 0]
  const isTenants = ({ database }: pg.Client) => database?.startsWith(nameOf('')) === true
  pg.Client.prototype.connect = function (this: pg.Client, ...args: never[]) {
    if (isTenants(this)) most = Math.max(most, ++open)
    return (connect as (...all: never[]) => unknown).apply(this, args)
  } as typeof connect
  pg.Client.prototype.end = function (this: pg.Client, ...args: never[]) {
    if (isTenants(this)) open--
    return (end as (...all: never[]) => unknown).apply(this, args)
  } as typeof end
  try {
    await fn()
  } finally {
    Object.assign(pg.Client.prototype, { connect, end })
  }
  return most
}

beforeAll(async () => {
  tenancy = setting.tenancy('database')
  for (const key of ['acme', 'globex', 'initech', 'shut']) await tenancy.provision(key)
  await tenancy.suspend('shut')
  await world.root.query(`do $$ begin execute format('revoke all on database %1$I from public;
    grant connect on database %1$I to ${world.appRole}, ${world.adminRole}', current_database()); end $$`)
})

describe('doctor at level database', () => {
  it('finds nothing wrong with databases that are well', async () => {
    expect(await tenancy.doctor()).toMatchObject({ ok: true, findings: [], counts: {}, tenants: 4 })
  })

  type Case = readonly [finding: string, at: string | undefined, breaks: string, repair: Repair]
  // What one repair would put right of another, or hide, is another round.
  it.each<[round: string, cases: readonly Case[]]>([
    [
      'rights and strangers',
      [
        [
          'warning ORPHAN_DATABASE DB(stray)',
          undefined,
          'create database "DB(stray)"',
          'drop database "DB(stray)"',
        ],
        [
          'warning ORPHAN_ROLE DB(nobody)',
          undefined,
          'create role "DB(nobody)"',
          'drop owned by "DB(nobody)"; drop role "DB(nobody)"',
        ],
        [
          'error PUBLIC_PRIVILEGE DB(acme)',
          undefined,
          'grant connect on database "DB(acme)" to public',
          'revoke all on database "DB(acme)" from public',
        ],
        [
          'error FOREIGN_CONNECT DB(acme)',
          undefined,
          'grant connect on database "DB(acme)" to "DB(globex)"',
          'revoke connect on database "DB(acme)" from "DB(globex)"',
        ],
        [
          'error STATUS_MISMATCH shut',
          undefined,
          'alter role "DB(shut)" login; grant connect on database "DB(shut)" to "DB(shut)"',
          (all) => all.resume('shut').then(() => all.suspend('shut')),
        ],
        [
          'error TENANT_ROLE DB(acme)',
          undefined,
          'alter role "DB(acme)" createdb',
          'alter role "DB(acme)" nocreatedb',
        ],
        [
          'error APPLICATION_ROLE {app}',
          undefined,
          'alter role {app} bypassrls',
          'alter role {app} nobypassrls',
        ],
        [
          'error SHARED_CREATE DB(acme): public',
          'acme',
          'grant create on schema public to public',
          'revoke create on schema public from public',
        ],
        [
          'warning FALLS_THROUGH DB(acme): public.notes',
          'acme',
          'create table public.notes ()',
          'drop table public.notes',
        ],
        [
          'warning ORPHAN_SCHEMA DB(acme): database_other',
          'acme',
          'create schema database_other',
          'drop schema database_other',
        ],
        [
          'error PUBLIC_PRIVILEGE DB(acme): database_acme',
          'acme',
          'grant usage on schema database_acme to public',
          'revoke usage on schema database_acme from public',
        ],
        [
          'warning DRIFT acme',
          'acme',
          'alter table database_acme.notes alter column body drop not null',
          'alter table database_acme.notes alter column body set not null',
        ],
      ],
    ],
    [
      'what is missing',
      [
        [
          'error DATABASE_MISSING globex',
          undefined,
          'drop database "DB(globex)" with (force)',
          async (all) => {
            await all.drop('globex')
            await all.provision('globex', { reuseDeletedKey: true })
          },
        ],
        [
          'error STATUS_MISMATCH acme',
          undefined,
          'alter role "DB(acme)" nologin',
          (all) => all.provision('acme'),
        ],
        [
          'error SCHEMA_MISSING DB(initech): initech',
          'initech',
          'alter schema database_initech rename to away',
          'alter schema away rename to database_initech',
        ],
      ],
    ],
    [
      'what is half done',
      [
        [
          'warning UNFINISHED globex',
          undefined,
          `update tenancy.tenant set status = 'deleting' where key = 'globex'`,
          `update tenancy.tenant set status = 'active' where key = 'globex'`,
        ],
        [
          'error LEDGER_MISMATCH acme',
          undefined,
          `update tenancy.tenant_migration set checksum = reverse(checksum) where key = 'acme'`,
          `update tenancy.tenant_migration set checksum = reverse(checksum) where key = 'acme'`,
        ],
      ],
    ],
  ])('finds all at once, and what it advises helps: %s', async (_, cases) => {
    for (const [, at, breaks] of cases) for (const statement of breaks.split('; ')) await root(statement, at)
    const { findings } = await tenancy.doctor()
    for (const [, at, , repair] of cases)
      if (typeof repair === 'function') await repair(tenancy)
      else for (const statement of repair.split('; ')) await root(statement, at)
    expect(await found()).toEqual([])
    for (const [finding, , , repair] of cases) {
      const meant = findings.filter((one) => lineOf(one) === named(finding))
      expect(meant, finding).toHaveLength(1)
      if (DATABASE_CHECKS.some(({ code, fix }) => code === meant[0]?.code && fix === meant[0].fix))
        followed.note(meant, repair)
    }
  })

  it('goes on when a database cannot be looked at', async () => {
    await root('alter database "DB(acme)" with allow_connections false')
    const { findings } = await tenancy.doctor()
    const repair = 'alter database "DB(acme)" with allow_connections true'
    await root(repair)
    expect(findings.map(lineOf)).toEqual(['error DATABASE_UNREACHABLE acme'])
    followed.note(findings, repair)
  })

  it('advises nothing here that no test has followed', () => {
    expect(followed.missing(DATABASE_CHECKS)).toEqual([])
    const own = Object.entries(TRIED).filter(([, where]) => where === 'doctor/databases.test.ts')
    expect(own.map(([code]) => code).filter((code) => !followed.codes.has(code))).toEqual([])
  })

  it('opens no more connections at once than it may', async () => {
    expect(await mostAtOnce(() => tenancy.doctor({ connections: 1 }))).toBe(1)
    expect(await mostAtOnce(() => tenancy.doctor({ connections: 3 }))).toBe(3)
  })

  it('compares with the tenant it is told to, which must be there', async () => {
    expect((await tenancy.doctor({ reference: 'globex' })).ok).toBe(true)
    expect(await codeOf(tenancy.doctor({ reference: 'nobody' }))).toBe('TENANT_NOT_FOUND')
  })
})
