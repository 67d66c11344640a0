import { createTenancy } from '@org/pg-tenant'
import { drizzle as drizzleOver } from '@org/pg-tenant/drizzle'
import { createTenantManager, defineConfig } from 'drizzle-multitenant'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Contender } from '../measure/interleave.ts'
import { floor } from './floor.ts'
import { obvious } from './obvious.ts'
import { notes, notesOf, qualified, randomId, SCOPED } from './statement.ts'

/** Where tenants are: the same keys exist at both levels, under their own prefix. */
export interface Place {
  /** As the application's role, straight or through a proxy. */
  readonly url: string
  readonly keys: readonly string[]
  readonly schemaPrefix: string
  readonly rolePrefix: string
}

/** Names in tables, targets and charts. */
export const NAME = {
  limit: 'limit: unscoped statement',
  floor: 'floor: bare transaction, one trip',
  queryOne: 'tenancy.query, one tenant',
  queryMany: 'tenancy.query, many tenants',
  querySchema: 'tenancy.query, many, level schema',
  scope: 'withTenant, one statement',
  scopeSchema: 'withTenant, level schema',
  obvious: 'obvious helper',
  obviousRole: 'obvious helper + SET ROLE',
  poolsFew: 'drizzle-multitenant, 20 tenants',
  poolsMany: 'drizzle-multitenant, 100 tenants',
  drizzleAlone: 'drizzle alone, unscoped',
  drizzleOurs: 'drizzle over withTenant',
} as const

type Part = { readonly contenders: readonly Contender[]; close(): Promise<unknown> }

/** All contenders of a scope, each with a pool of its own of `max` connections. */
export function scopeContenders(place: Place, max: number): Part {
  const parts = [bare, ours, helpers, poolPerTenant, drizzles].map((part) => part(place, max))
  return {
    contenders: parts.flatMap((part) => part.contenders),
    close: () => Promise.all(parts.map((part) => part.close())),
  }
}

/** What there is to reach, and what a transaction costs. */
function bare({ url, keys, schemaPrefix }: Place, max: number): Part {
  const pools = [1, 2].map(() => new pg.Pool({ connectionString: url, max }))
  const [plain, pipelined] = pools as [pg.Pool, pg.Pool]
  const schema = () => schemaPrefix + oneOf(keys)
  return {
    contenders: [
      { name: NAME.limit, run: () => plain.query(qualified(schema()), [randomId()]) },
      { name: NAME.floor, run: () => floor(pipelined, schema(), randomId()) },
    ],
    close: () => endAll(pools),
  }
}

function ours({ url, keys, schemaPrefix, rolePrefix }: Place, max: number): Part {
  const pools: pg.Pool[] = []
  const tenancy = (isolation: 'role' | 'schema') => {
    const pool = new pg.Pool({ connectionString: url, max })
    pools.push(pool)
    const prefix = isolation === 'role' ? rolePrefix : schemaPrefix
    return createTenancy({ pool, isolation, schemaPrefix: prefix, rolePrefix: prefix })
  }
  const [one, many, schema, scope, scopeSchema] = [
    tenancy('role'),
    tenancy('role'),
    tenancy('schema'),
    tenancy('role'),
    tenancy('schema'),
  ]
  const first = keys[0] ?? ''
  return {
    contenders: [
      { name: NAME.queryOne, run: () => one.query(first, SCOPED, [randomId()]) },
      { name: NAME.queryMany, run: () => many.query(oneOf(keys), SCOPED, [randomId()]) },
      { name: NAME.querySchema, run: () => schema.query(oneOf(keys), SCOPED, [randomId()]) },
      { name: NAME.scope, run: () => scope.withTenant(oneOf(keys), (db) => db.query(SCOPED, [randomId()])) },
      {
        name: NAME.scopeSchema,
        run: () => scopeSchema.withTenant(oneOf(keys), (db) => db.query(SCOPED, [randomId()])),
      },
    ],
    close: () => endAll(pools),
  }
}

function helpers({ url, keys, schemaPrefix, rolePrefix }: Place, max: number): Part {
  const pools = [1, 2].map(() => new pg.Pool({ connectionString: url, max }))
  const [plain, withRole] = pools as [pg.Pool, pg.Pool]
  const path = (schema: string) => `SET LOCAL search_path TO "${schema}", public`
  return {
    contenders: [
      {
        name: NAME.obvious,
        run: () =>
          obvious(plain, [path(schemaPrefix + oneOf(keys))], (client) => client.query(SCOPED, [randomId()])),
      },
      {
        name: NAME.obviousRole,
        run: () => {
          const name = rolePrefix + oneOf(keys)
          const settings = [path(name), `SET LOCAL ROLE "${name}"`]
          return obvious(withRole, settings, (client) => client.query(SCOPED, [randomId()]))
        },
      },
    ],
    close: () => endAll(pools),
  }
}

/** As its README and its documented defaults have it: up to 50 pools of up to 10 connections. */
function poolPerTenant({ url, keys, schemaPrefix }: Place): Part {
  const manager = () =>
    createTenantManager(
      defineConfig({
        connection: { url },
        isolation: { strategy: 'schema', schemaNameTemplate: (id) => schemaPrefix + id },
        schemas: { tenant: { notes } },
      }),
    )
  const [few, many] = [manager(), manager()]
  const read = (tenants: typeof few, among: readonly string[]) =>
    tenants.getDb(oneOf(among)).select().from(notes).where(eq(notes.id, randomId()))
  const twenty = keys.slice(0, 20)
  return {
    contenders: [
      { name: NAME.poolsFew, run: async () => read(few, twenty), mayFail: true },
      { name: NAME.poolsMany, run: async () => read(many, keys), mayFail: true },
    ],
    close: () => Promise.all([few.dispose(), many.dispose()]),
  }
}

function drizzles({ url, keys, schemaPrefix, rolePrefix }: Place, max: number): Part {
  const pools = [1, 2].map(() => new pg.Pool({ connectionString: url, max }))
  const [plain, pool] = pools as [pg.Pool, pg.Pool]
  const alone = drizzle(plain)
  const tables = keys.map((key) => notesOf(schemaPrefix + key))
  const tenancy = createTenancy({ pool, schemaPrefix: rolePrefix, rolePrefix })
  const schema = { notes }
  return {
    contenders: [
      {
        name: NAME.drizzleAlone,
        run: async () => {
          const table = oneOf(tables)
          return await alone.select().from(table).where(eq(table.id, randomId()))
        },
      },
      {
        name: NAME.drizzleOurs,
        run: () =>
          tenancy.withTenant(oneOf(keys), async (db) =>
            drizzleOver(db, { schema }).select().from(notes).where(eq(notes.id, randomId())),
          ),
      },
    ],
    close: () => endAll(pools),
  }
}

function oneOf<T>(among: readonly T[]): T {
  const found = among[Math.floor(Math.random() * among.length)]
  if (found === undefined) throw new Error('nothing to choose from')
  return found
}

const endAll = (pools: readonly pg.Pool[]) => Promise.all(pools.map((pool) => pool.end()))
