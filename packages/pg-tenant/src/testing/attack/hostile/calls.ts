import { join } from 'node:path'
import { isTenancyError, type Migration } from '@org/core'
import type { IsolationLevel } from '../../../isolation/isolation.ts'
import { advise } from '../../../stats/advise.ts'
import type { Tenancy } from '../../../tenancy/interface.ts'
import { settle } from '../finding.ts'
import { NotApplicable } from '../types.ts'
import { Escape } from './escape.ts'
import { withNames } from './kind.ts'
import { KINDS } from './kinds.ts'
import { planting, type Stage } from './stage.ts'

/** Something that is done with a tenant whose code is hostile. */
export interface HostileCall {
  readonly id: string
  readonly title: string
  /** Left out: all that have tenants' code. */
  readonly levels?: readonly IsolationLevel[]
  /** What it is about: the hostile tenant (default), or the other, in whose calls its code must not run at all. */
  readonly about?: 'good'
  /** Behind it the hostile tenant is made anew. */
  readonly spoils?: true
  run(stage: Stage): Promise<unknown>
}

/** Changes of structure and of rows that make everything run which hangs on the table. */
export const TOUCHING: readonly Migration[] = [
  {
    id: '0002_touch',
    sql: `alter table notes add column n integer;
      create index notes_lower on notes (lower(body));
      alter table notes add constraint notes_long check (length(body) >= 0);
      create table extras (id integer primary key, kind varchar(20) default 'plain');
      insert into extras (id) values (1);
      update extras set kind = lower(kind) where length(kind) > 0 and quote_ident('a'::name) = 'a';
      update notes set n = length(body);
      insert into notes (body) values ('of a migration'), ('of a migration too');
      delete from notes where body = 'of a migration too'`,
  },
]

/** The same outside a transaction. */
export const OUTSIDE: readonly Migration[] = [
  {
    id: '0002_outside',
    sql: `-- pg-tenant: no-transaction
      create index concurrently if not exists notes_body on notes (body);
      update notes set body = body;`,
  },
]

const TRANSACTIONAL: readonly IsolationLevel[] = ['schema', 'role', 'login']
const OWN_LOGINS: readonly IsolationLevel[] = ['login', 'database']

const to = ({ folder }: Stage, name: string) => join(folder, `${name}-${process.hrtime.bigint()}`)
const backedUp = async (stage: Stage, format: 'archive' | 'pg_dump', key = stage.evil) => {
  const file = to(stage, format)
  await stage.tenancy.backup(key, { to: file, format })
  return file
}
/** Nothing is tried where a program that it needs is not there, or is older than the server. */
const withProgram = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    if (isTenancyError(error, 'SERVICE_UNAVAILABLE') && 'program' in error.details)
      throw new NotApplicable(error.message)
    throw error
  })

/** A tenant whose code came with a migration, so that a restore makes it again, and its archive. */
async function archived(stage: Stage): Promise<{ tenancy: Tenancy; from: string }> {
  const { evil, targets, next } = stage
  const tenancy = next([planting(targets)])
  await stage.tenancy.drop(evil)
  const made = await settle(tenancy.provision(evil, { reuseDeletedKey: true }))
  if (!made.ok) throw new Escape(`nothing was tried, for what is planted is no migration: ${made.error}`)
  await tenancy.query(evil, `insert into notes (body) values ('to be restored')`)
  for (const sql of ROWS) await tenancy.query(evil, sql)
  stage.heard()
  const file = to(stage, 'archive')
  await tenancy.backup(evil, { to: file })
  return { tenancy, from: file }
}

/** A row in each table whose loading makes something run. */
const ROWS = KINDS.flatMap(({ fire, rows }) => (rows === undefined ? [] : fire))
  .filter((sql) => sql.startsWith('insert into $S.h_'))
  .map((sql) => withNames(sql))

const TOUCHING_LATER = TOUCHING.map(({ sql }) => ({ id: '0003_touch', sql }))

/** Every call of a tenancy that is no scope. Those that leave the tenant as it was come first. */
export const CALLS: readonly HostileCall[] = [
  { id: 'provision', title: 'provision again', run: ({ tenancy, evil }) => tenancy.provision(evil) },
  {
    id: 'dry-run',
    title: 'migrate, dry run',
    run: ({ next, evil }) => next(TOUCHING).migrate({ dryRun: true, only: [evil] }),
  },
  { id: 'status', title: 'migrationStatus', run: ({ tenancy }) => tenancy.migrationStatus() },
  {
    id: 'recheck',
    title: 'migrate with nothing to do, ledgers compared',
    run: ({ tenancy }) => tenancy.migrate({ recheck: true, throwOnFailure: false }),
  },
  {
    id: 'registry',
    title: 'find, lookup, list',
    run: async ({ tenancy, evil }) => [
      await tenancy.find(evil),
      await tenancy.lookup(evil),
      await tenancy.list(),
    ],
  },
  {
    id: 'suspend',
    title: 'suspend and resume',
    run: async ({ tenancy, evil }) => [await tenancy.suspend(evil), await tenancy.resume(evil)],
  },
  {
    id: 'verify',
    title: 'verify',
    run: ({ tenancy, evil, good }) => tenancy.verify({ tenants: [evil, good] }),
  },
  { id: 'doctor', title: 'doctor', run: ({ tenancy }) => tenancy.doctor() },
  { id: 'stats', title: 'stats, advise', run: async ({ tenancy }) => advise(await tenancy.stats()) },
  { id: 'backup', title: 'backup', run: (stage) => backedUp(stage, 'archive') },
  {
    id: 'backup.policy',
    title: 'backup of a table whose policies bind its owner',
    run: async (stage) => {
      const policy = (words: string) =>
        stage.tenancy.query(stage.evil, `alter table h_policy ${words} row level security`)
      await policy('force')
      await backedUp(stage, 'archive').finally(() => policy('no force'))
    },
  },
  {
    id: 'backup.pg_dump',
    title: 'backup by pg_dump',
    run: (stage) => withProgram(backedUp(stage, 'pg_dump')),
  },
  {
    id: 'export',
    title: 'export, JSON lines',
    run: (stage) => stage.tenancy.export(stage.evil, { to: to(stage, 'export') }),
  },
  {
    id: 'export.csv',
    title: 'export, CSV',
    run: (stage) => stage.tenancy.export(stage.evil, { to: to(stage, 'export'), format: 'csv' }),
  },
  {
    id: 'rotate',
    title: 'rotateCredentials',
    levels: OWN_LOGINS,
    run: ({ tenancy, evil }) => tenancy.rotateCredentials(evil),
  },
  {
    id: 'ready',
    title: 'ready tenants made and claimed',
    run: async ({ tenancy, evil }) => {
      await tenancy.ready.fill(1)
      const key = `${evil}r`
      await tenancy.provision(key, { fromReady: true, reuseDeletedKey: true })
      await tenancy.drop(key)
    },
  },
  {
    id: 'migrate',
    title: 'migrate: changes of structure and rows',
    spoils: true,
    run: ({ next, evil }) => next(TOUCHING).migrate({ only: [evil], throwOnFailure: false }),
  },
  {
    id: 'migrate.provision',
    title: 'provision: the same changes',
    spoils: true,
    run: ({ next, evil }) => next(TOUCHING).provision(evil),
  },
  {
    id: 'migrate.no-transaction',
    title: 'migrate: a file without a transaction',
    levels: TRANSACTIONAL,
    spoils: true,
    run: ({ next, evil }) => next(OUTSIDE).migrate({ only: [evil], throwOnFailure: false }),
  },
  {
    id: 'restore',
    title: 'restore over what is there',
    spoils: true,
    run: async (stage) => {
      const { tenancy, from } = await archived(stage)
      await tenancy.restore(stage.evil, { from, force: 'replace' })
    },
  },
  {
    id: 'restore.clone',
    title: 'restore under another key',
    spoils: true,
    run: async (stage) => {
      const { tenancy, from } = await archived(stage)
      const key = `${stage.evil}c`
      await tenancy.restore(key, { from, reuseDeletedKey: true })
      await tenancy.drop(key)
    },
  },
  {
    id: 'restore.migrating',
    title: 'restore, with newer migrations behind the data',
    spoils: true,
    run: async (stage) => {
      const { from } = await archived(stage)
      await stage
        .next([planting(stage.targets), ...TOUCHING_LATER])
        .restore(stage.evil, { from, force: 'replace' })
    },
  },
  {
    id: 'restore.pg_dump',
    title: 'restore by pg_restore',
    spoils: true,
    run: async (stage) => {
      const from = await withProgram(backedUp(stage, 'pg_dump'))
      await stage.tenancy.drop(stage.evil)
      await withProgram(stage.tenancy.restore(stage.evil, { from, reuseDeletedKey: true }))
    },
  },
  {
    id: 'offboard',
    title: 'offboard with a backup',
    spoils: true,
    run: (stage) =>
      stage.tenancy.offboard(stage.evil, { confirm: stage.evil, backup: { to: to(stage, 'last') } }),
  },
  { id: 'drop', title: 'drop', spoils: true, run: ({ tenancy, evil }) => tenancy.drop(evil) },
  {
    id: 'other.backup',
    title: "another tenant's backup and export",
    about: 'good',
    run: async (stage) => {
      await backedUp(stage, 'archive', stage.good)
      await stage.tenancy.export(stage.good, { to: to(stage, 'other') })
    },
  },
  {
    id: 'other.migrate',
    title: "another tenant's provision and migrate",
    about: 'good',
    run: async ({ tenancy, next, good }) => {
      await tenancy.provision(good)
      await next(TOUCHING).migrate({ only: [good], throwOnFailure: false })
    },
  },
]
