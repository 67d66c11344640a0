import { inspect } from 'node:util'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import { driverError, type TenantDb } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

// Hazards aa and ab: what is handed out is data, and what is handed in is copied.

const world = useWorld(['acme'])

/** Whatever leads to the wire. */
function isWire(value: object): boolean {
  const names = ['secretKey', 'processID', '_handle', 'activeQuery', '_queryQueue', 'totalCount', 'idleCount']
  if (value instanceof pg.Client || value instanceof pg.Pool) return true
  return names.some((name) => name in value)
}

/** Every object that can be reached: own and inherited, symbols, getters, prototypes, causes, keys of maps. */
function reachable(root: unknown): string[] {
  const seen = new Set<unknown>()
  const found: string[] = []
  const walk = (value: unknown, path: string) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value))
      return
    seen.add(value)
    if (typeof value === 'object' && value !== pg.Client.prototype && isWire(value)) found.push(path)
    if (value instanceof Map || value instanceof Set) for (const one of value) walk(one, `${path}[…]`)
    for (const name of Reflect.ownKeys(value)) {
      let next: unknown
      try {
        next = (value as Record<PropertyKey, unknown>)[name]
      } catch {
        continue
      }
      walk(next, `${path}.${String(name)}`)
    }
    walk(Object.getPrototypeOf(value), `${path}.__proto__`)
  }
  walk(root, 'root')
  return found
}

/** Everything a caller gets from a scope, failures included. */
async function everything(): Promise<Record<string, unknown>> {
  const tenancy = world.tenancy()
  const failing = async (run: Promise<unknown>) => {
    const error = await run.catch((reason: unknown) => reason)
    return { error, original: driverError(error as never) }
  }
  const got: Record<string, unknown> = { tenancy }
  got.oneShot = await tenancy.query('acme', 'select 1 as one')
  got.array = await tenancy.query('acme', { text: 'select 1 as one', rowMode: 'array' })
  got.failed = await failing(tenancy.query('acme', 'select * from nowhere'))
  got.swallowed = await failing(
    tenancy.withTenant('acme', async (db) => void (await db.query('nonsense').catch(() => undefined))),
  )
  await tenancy.withTenant('acme', async (db: TenantDb) => {
    got.handle = db
    got.result = await db.query({ text: 'select $1::int as one', values: [1], name: 'named' })
    got.pending = db.query('select 2')
    await got.pending
    const rows = db.stream('select generate_series(1, 5) as n', [], { batchSize: 2 })
    got.stream = [rows, await rows.next()]
    const orm = drizzle(db)
    got.drizzle = orm
    got.drizzleResult = await orm.execute(sql`select 1`)
    await orm.transaction(async (tx) => {
      got.transaction = tx
    })
    await db.savepoint(async (inner) => {
      got.inner = inner
    })
    const out = await db.copyTo('copy (select 1) to stdout')
    got.copyTo = out
    for await (const _ of out);
    const into = await db.copyFrom('copy notes (body) from stdin')
    got.copyFrom = into
    await new Promise((resolve) => into.end(resolve))
  })
  got.ended = await failing((got.handle as TenantDb).query('select 1'))
  return got
}

describe('what is handed out', () => {
  it('leads nowhere near the connection', async () => {
    for (const [what, value] of Object.entries(await everything())) {
      expect({ what, found: reachable(value) }).toEqual({ what, found: [] })
    }
  })

  it('is found by this walk where it does: a result that decodes by its connection', async () => {
    const client = new pg.Client(world.url)
    await client.connect()
    const result = await client.query('select 1')
    await client.end()
    expect(reachable(Object.assign(result, { _types: client }))).toContain('root._types')
    expect(reachable(new Error('x', { cause: new Map([['hidden', client]]) })).length).toBeGreaterThan(0)
  })

  it('is plain, and prints as its rows', async () => {
    const result = await world.tenancy().query('acme', 'select 1 as one')
    expect(Object.keys(result).sort()).toEqual(['command', 'fields', 'rowCount', 'rows'])
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({
      command: 'SELECT',
      rowCount: 1,
      rows: [{ one: 1 }],
    })
    for (const value of [result, ...result.fields, ...result.rows]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    }
    expect(inspect(result)).toContain('one: 1')
    expect(inspect(result, { depth: 9, showHidden: true })).not.toMatch(/secret|socket|password/i)
  })
})

describe('what is handed in', () => {
  const filled = (text: string) => new Uint8Array(Buffer.from(text))
  /** What may be changed after the call, and how. */
  const VALUES: Readonly<
    Record<string, () => { value: unknown; change(): void; type: string; was: string }>
  > = {
    Buffer: () => {
      const value = Buffer.from('AAAA')
      return { value, change: () => void value.write('BBBB'), type: 'bytea', was: '\\x41414141' }
    },
    Uint8Array: () => {
      const value = filled('AAAA')
      return { value, change: () => void value.fill(66), type: 'bytea', was: '\\x41414141' }
    },
    'a view of a part': () => {
      const all = filled('xxAAAAxx')
      return {
        value: new DataView(all.buffer, 2, 4),
        change: () => void all.fill(66),
        type: 'bytea',
        was: '\\x41414141',
      }
    },
    'an array of buffers': () => {
      const value = [Buffer.from('AAAA')]
      return { value, change: () => void value[0]?.fill(66), type: 'bytea[]', was: '{"\\\\x41414141"}' }
    },
    'an array': () => {
      const value = ['a', ['b']]
      return { value: [value[0]], change: () => void value.splice(0), type: 'text[]', was: '{a}' }
    },
    'an object': () => {
      const value = { deep: { x: 1 } }
      return {
        value,
        change: () => {
          value.deep.x = 2
        },
        type: 'jsonb',
        was: '{"deep": {"x": 1}}',
      }
    },
    'an object with toPostgres': () => {
      const value = { now: 'first', toPostgres: () => value.now }
      return {
        value,
        change: () => {
          value.now = 'second'
        },
        type: 'text',
        was: 'first',
      }
    },
    'toPostgres that gives bytes': () => {
      const bytes = Buffer.from('AAAA')
      return {
        value: { toPostgres: () => bytes },
        change: () => void bytes.fill(66),
        type: 'bytea',
        was: '\\x41414141',
      }
    },
    Date: () => {
      const value = new Date(0)
      return {
        value,
        change: () => void value.setFullYear(2000),
        type: 'timestamptz at time zone $z$UTC$z$',
        was: '1970-01-01 00:00:00',
      }
    },
  }

  it.each(Object.keys(VALUES))('%s is copied at the call, by whichever way it goes in', async (name) => {
    const tenancy = world.tenancy()
    const { signal } = new AbortController()
    const ways = {
      query: (text: string, values: unknown[]) => tenancy.query('acme', text, values),
      'query with a signal': (text: string, values: unknown[]) =>
        tenancy.query('acme', text, values, { signal }),
      stream: (text: string, values: unknown[]) => {
        const change = Promise.withResolvers<void>()
        const run = tenancy.withTenant('acme', async (db) => {
          const rows = db.stream<{ was: string }>(text, values)
          await change.promise
          return { rows: [(await rows.next()).value] }
        })
        return Object.assign(run, { changed: change.resolve })
      },
    }
    for (const [way, run] of Object.entries(ways)) {
      const { value, change, type, was } = (VALUES[name] as (typeof VALUES)[string])()
      const values = [value]
      const asked = run(`select ($1::${type})::text as was`, values)
      if ('changed' in asked) await new Promise((resolve) => setImmediate(resolve))
      change()
      values[0] = null
      if ('changed' in asked) (asked.changed as () => void)()
      expect({ way, rows: (await asked).rows }).toEqual({ way, rows: [{ was }] })
    }
  })
})
