import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Deliberate } from '../deliberate.ts'
import type { OperationKind } from './kind.ts'

const READ = 'select tenant from soak_row order by op desc limit 10'
const EXTREMES = 'select min(tenant) as low, max(tenant) as high from soak_row'

const owners = (rows: readonly Record<string, unknown>[]) => rows.flatMap((row) => Object.values(row))

/** What well-behaved code does. */
export const ORDINARY: readonly OperationKind[] = [
  { name: 'query: insert', weight: 20, run: (o) => o.writeOnce(0) },
  {
    name: 'query: read',
    weight: 12,
    async run(o) {
      const text = o.random.chance(0.5) ? READ : EXTREMES
      const { rows } = await o.subject.query(o.tenant.key, text, [], o.options())
      o.requireOwn(owners(rows), 'a row')
    },
  },
  {
    name: 'query: read an acknowledged row',
    weight: 10,
    async run(o) {
      const recent = o.world.recent(o.random.next())
      if (!recent) return
      o.tenant = recent.tenant
      const text = 'select tenant from soak_row where op = $1'
      const { rows } = await o.subject.query(o.tenant.key, text, [recent.op])
      if (rows.length === 0)
        o.world.findings.add('lost', `op ${recent.op} of ${o.tenant.key}: acknowledged, then not found`)
      o.requireOwn(owners(rows), 'a row')
    },
  },
  {
    name: 'scope: inserts',
    weight: 14,
    run: (o) =>
      o.scope(async (db) => {
        const parts = 1 + o.random.int(3)
        for (let part = 0; part < parts; part++) await o.write(db, part)
      }),
  },
  {
    name: 'scope: read, insert, read',
    weight: 6,
    run: (o) =>
      o.scope(async (db) => {
        o.requireOwn(owners((await db.query(EXTREMES)).rows), 'a row')
        await o.write(db, 0)
        o.requireOwn(owners((await db.query(READ)).rows), 'a row')
      }),
  },
  {
    name: 'scope: insert and count up',
    weight: 8,
    run: (o) =>
      o.scope(async (db) => {
        const k = o.random.int(8)
        await o.write(db, 0)
        await db.query('update soak_counter set v = v + 1 where k = $1', [k])
        o.bumped = k
      }),
  },
  {
    name: 'scope: serializable, with retry',
    weight: 2,
    run: (o) =>
      o.scope(
        async (db) => {
          const k = o.random.int(8)
          await o.write(db, 0)
          const { rows } = await db.query('select v from soak_counter where k = $1', [k])
          await db.query('update soak_counter set v = $2::bigint + 1 where k = $1', [k, rows[0]?.v])
          o.bumped = k
        },
        { isolationLevel: 'serializable', retry: { attempts: 3 } },
      ),
  },
  {
    name: 'scope: parallel queries',
    weight: 3,
    run: (o) =>
      o.scope(async (db) => {
        await Promise.all([o.write(db, 0), o.write(db, 1), db.query(READ)])
      }),
  },
  {
    name: 'scope: savepoint',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        await db.savepoint((inner) => o.write(inner, 1))
        await o.write(db, 2)
      }),
  },
  {
    name: 'scope: savepoint undone',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        const before = o.random.chance(0.5)
        if (before) await o.write(db, 0)
        const failing = o.random.chance(0.5)
        try {
          await db.savepoint(async (inner) => {
            await o.write(inner, 1)
            if (failing) await inner.query('select 1 / $1::int', [0])
            throw new Deliberate()
          })
        } catch {
          o.undone(1 << 1)
        }
        await o.write(db, 2)
      }),
  },
  {
    name: 'scope: nested, same tenant',
    weight: 3,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        await db.withTenant(o.tenant.key, async (inner) => {
          await o.write(inner, 1)
          await inner.savepoint((deepest) => o.write(deepest, 2))
        })
      }),
  },
  {
    name: 'scope: named statement',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        const text = 'insert into soak_row (tenant, op, part) values ($1, $2, $3) returning tenant'
        const { rows } = await db.query({ name: 'soak_insert', text, values: o.row(0) })
        o.must |= 1
        o.requireOwn(owners(rows), 'a row')
      }),
  },
  {
    name: 'scope: stream',
    weight: 2,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        if (!db.stream) return
        const stopAt = o.random.int(30)
        let seen = 0
        for await (const row of db.stream('select tenant from soak_row limit 20', [], { batchSize: 7 })) {
          o.requireOwn(Object.values(row as object), 'a streamed row')
          if (seen++ === stopAt) break
        }
        await o.write(db, 1)
      }),
  },
  {
    name: 'scope: COPY',
    weight: 2,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        if (!db.copyFrom || !db.copyTo) return
        const into = await db.copyFrom('copy soak_row (tenant, op, part) from stdin')
        await pipeline(Readable.from([`${o.row(1).join('\t')}\n`, `${o.row(2).join('\t')}\n`]), into)
        o.must |= 0b110
        const chunks: string[] = []
        const out = await db.copyTo('copy (select distinct tenant from soak_row) to stdout')
        for await (const chunk of out) chunks.push(String(chunk))
        o.requireOwn(chunks.join('').trim().split('\n'), 'a copied row')
      }),
  },
  {
    name: 'scope: read only',
    weight: 2,
    run: (o) =>
      o.scope(async (db) => o.requireOwn(owners((await db.query(READ)).rows), 'a row'), { readOnly: true }),
  },
  {
    name: 'scope: callback throws',
    weight: 3,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        throw new Deliberate()
      }),
  },
  {
    name: 'scope: duplicate key',
    weight: 2,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        await o.write(db, 0)
      }),
  },
]
