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
  readonly row: { readonly schemaPrefix: string; readonly schema: string }
}

/** Against what each is measured: the unscoped statement over as many schemas. */
export const limitOf = (name: string): string => (ONE_SCHEMA.has(name) ? NAME.limitOne : NAME.limit)

/** Names in tables, targets and charts. */
export const NAME = {
  limit: 'limit: unscoped, parsed, 100 schemas',
  limitOne: 'limit: unscoped, parsed, one schema',
  named: 'unscoped, under a name, one schema',
  floor: 'floor: bare transaction, one trip, 100 schemas',
  queryOne: 'tenancy.query, one tenant',
  queryMany: 'tenancy.query, many tenants',
  queryKept: 'tenancy.query, one tenant, kept statements',
  queryRow: 'tenancy.query, many, level row',
  querySchema: 'tenancy.query, many, level schema',
  scope: 'withTenant, one statement',
  scopeSchema: 'withTenant, level schema',
  obvious: 'obvious helper',
  obviousOne: 'obvious helper, one schema',
  obviousRole: 'obvious helper + SET ROLE',
  poolsFew: 'drizzle-multitenant, 20 tenants',
  poolsMany: 'drizzle-multitenant, 100 tenants',
  drizzleAlone: 'drizzle alone, unscoped',
  drizzleOurs: 'drizzle over withTenant',
} as const

const ONE_SCHEMA: ReadonlySet<string> = new Set([
  NAME.limitOne,
  NAME.named,
  NAME.queryOne,
  NAME.queryKept,
  NAME.queryRow,
  NAME.obviousOne,
])

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
  const pools = [NAME.limit, NAME.floor, NAME.limitOne, NAME.named].map((name) => poolOf(url, max, name))
  const [plain, pipelined, one, named] = pools as [pg.Pool, pg.Pool, pg.Pool, pg.Pool]
  const schema = () => schemaPrefix + oneOf(keys)
  const first = qualified(schemaPrefix + (keys[0] ?? ''))
  return {
    contenders: [
      { name: NAME.limit, run: () => plain.query(qualified(schema()), [randomId()]) },
      { name: NAME.limitOne, run: () => one.query(first, [randomId()]) },
      { name: NAME.named, run: () => named.query({ name: 'named', text: first, values: [randomId()] }) },
      { name: NAME.floor, run: () => floor(pipelined, schema(), randomId()) },
    ],
    close: () => endAll(pools),
  }
}

function ours({ url, keys, schemaPrefix, rolePrefix, row }: Place, max: number): Part {
  const pools: pg.Pool[] = []
  const tenancy = (name: string, isolation: 'role' | 'schema', keepStatements = 0) => {
    const pool = poolOf(url, max, name)
    pools.push(pool)
    const prefix = isolation === 'role' ? rolePrefix : schemaPrefix
    return createTenancy({ pool, isolation, schemaPrefix: prefix, rolePrefix: prefix, keepStatements })
  }
  const rows = poolOf(url, max, NAME.queryRow)
  pools.push(rows)
  const shared = createTenancy({
    pool: rows,
    isolation: 'row',
    schemaPrefix: row.schemaPrefix,
    row: { schema: row.schema },
  })
  const [one, many, schema, scope, scopeSchema, kept] = [
    tenancy(NAME.queryOne, 'role'),
    tenancy(NAME.queryMany, 'role'),
    tenancy(NAME.querySchema, 'schema'),
    tenancy(NAME.scope, 'role'),
    tenancy(NAME.scopeSchema, 'schema'),
    tenancy(NAME.queryKept, 'role', 10),
  ]
  const first = keys[0] ?? ''
  return {
    contenders: [
      { name: NAME.queryOne, run: () => one.query(first, SCOPED, [randomId()]) },
      { name: NAME.queryMany, run: () => many.query(oneOf(keys), SCOPED, [randomId()]) },
      { name: NAME.querySchema, run: () => schema.query(oneOf(keys), SCOPED, [randomId()]) },
      {
        name: NAME.queryKept,
        run: () => kept.query(first, SCOPED, [randomId()]),
      },
      { name: NAME.queryRow, run: () => shared.query(oneOf(keys), SCOPED, [randomId()]) },
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
  const pools = [NAME.obvious, NAME.obviousRole, NAME.obviousOne].map((name) => poolOf(url, max, name))
  const [plain, withRole, one] = pools as [pg.Pool, pg.Pool, pg.Pool]
  const path = (schema: string) => `SET LOCAL search_path TO "${schema}", public`
  return {
    contenders: [
      {
        name: NAME.obvious,
        run: () =>
          obvious(plain, [path(schemaPrefix + oneOf(keys))], (client) => client.query(SCOPED, [randomId()])),
      },
      {
        name: NAME.obviousOne,
        run: () =>
          obvious(one, [path(schemaPrefix + (keys[0] ?? ''))], (client) =>
            client.query(SCOPED, [randomId()]),
          ),
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
  const manager = (name: string) =>
    createTenantManager(
      defineConfig({
        connection: { url: named(url, name) },
        isolation: { strategy: 'schema', schemaNameTemplate: (id) => schemaPrefix + id },
        schemas: { tenant: { notes } },
      }),
    )
  const [few, many] = [manager(NAME.poolsFew), manager(NAME.poolsMany)]
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
  const pools = [NAME.drizzleAlone, NAME.drizzleOurs].map((name) => poolOf(url, max, name))
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

/** The server knows whose its backends are. */
const poolOf = (url: string, max: number, name: string) =>
  new pg.Pool({ connectionString: named(url, name), max })

function named(url: string, name: string): string {
  const own = new URL(url)
  own.searchParams.set('application_name', `bench ${name}`)
  return own.href
}

function oneOf<T>(among: readonly T[]): T {
  const found = among[Math.floor(Math.random() * among.length)]
  if (found === undefined) throw new Error('nothing to choose from')
  return found
}

const endAll = (pools: readonly pg.Pool[]) => Promise.all(pools.map((pool) => pool.end()))
