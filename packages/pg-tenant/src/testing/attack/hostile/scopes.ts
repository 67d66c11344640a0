import { finished } from 'node:stream/promises'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from '../../../drizzle/index.ts'
import type { TenantDb } from '../../../scope/tenant-db.ts'
import { settle } from '../finding.ts'
import type { HostileCall } from './calls.ts'
import { withNames } from './kind.ts'
import { KINDS } from './kinds.ts'
import type { Stage } from './stage.ts'

const firing = ({ targets }: Stage): string[] =>
  KINDS.flatMap(({ fire }) => fire.map((sql) => withNames(sql, targets.schema)))

const relations = ({ targets }: Stage): string[] =>
  KINDS.flatMap(({ rows }) => (rows === undefined ? [] : [`"${targets.schema}".${rows}`]))

/** Each in a savepoint, so that one which fails does not keep the others from running. */
async function fireAll(db: TenantDb, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await settle(db.savepoint((inner) => inner.query(sql)))
}

async function copyAll(stage: Stage, db: TenantDb): Promise<void> {
  const { schema } = stage.targets
  for (const relation of relations(stage)) {
    const outcome = await settle(db.savepoint(() => read(db, `copy (select * from ${relation}) to stdout`)))
    if (!outcome.ok) continue
  }
  for (const relation of ['h_check', 'h_triggers', 'h_stored']) {
    const stream = await db.copyFrom(`copy "${schema}".${relation} (x) from stdin`)
    stream.end('1\n')
    await settle(finished(stream))
  }
}

async function read(db: TenantDb, sql: string): Promise<void> {
  for await (const _ of await db.copyTo(sql));
}

/** Every kind of scope; each runs everything that is planted. */
export const SCOPES: readonly HostileCall[] = [
  {
    id: 'scope.query',
    title: 'one-shot queries',
    run: async (stage) => {
      for (const sql of firing(stage)) await settle(stage.tenancy.query(stage.evil, sql))
    },
  },
  {
    id: 'scope.callback',
    title: 'withTenant',
    run: (stage) => stage.tenancy.withTenant(stage.evil, (db) => fireAll(db, firing(stage))),
  },
  {
    id: 'scope.nested',
    title: 'withTenant within withTenant',
    run: (stage) =>
      stage.tenancy.withTenant(stage.evil, () =>
        stage.tenancy.withTenant(stage.evil, (db) => fireAll(db, firing(stage))),
      ),
  },
  {
    id: 'scope.stream',
    title: 'streams',
    run: (stage) =>
      stage.tenancy.withTenant(stage.evil, async (db) => {
        for (const relation of relations(stage))
          await settle(
            db.savepoint(async () => {
              for await (const _ of db.stream(`select * from ${relation}`));
            }),
          )
      }),
  },
  {
    id: 'scope.copy',
    title: 'COPY out and in',
    run: (stage) => stage.tenancy.withTenant(stage.evil, (db) => copyAll(stage, db)),
  },
  {
    id: 'scope.drizzle',
    title: 'Drizzle',
    run: (stage) =>
      stage.tenancy.withTenant(stage.evil, async (db) => {
        const orm = drizzle(db)
        for (const sql of firing(stage))
          await settle(orm.transaction((tx) => tx.execute(drizzleSql.raw(sql))))
      }),
  },
]
