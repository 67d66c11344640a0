import { setTimeout as delay } from 'node:timers/promises'
import { Deliberate } from '../deliberate.ts'
import type { ScopedDb } from '../subject.ts'
import { CHURN_KEY, GHOST_KEYS } from '../tenants.ts'
import type { OperationKind } from './kind.ts'

const FAILING = [
  'select 1 / 0',
  'select nothing_of_that_name',
  "select 'x'::int",
  'insert into soak_row (tenant) values (null)',
  'syntax error here',
]

/** Control flow that careless code has: swallowed errors, forgotten awaits, handles kept for later (hazards a, d, e, j). */
export const HOSTILE_FLOW: readonly OperationKind[] = [
  {
    name: 'swallows an error',
    weight: 10,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        await db.query(o.random.pick(FAILING)).catch(() => {})
        if (o.random.chance(0.5)) await o.write(db, 1).catch(() => {})
      }),
  },
  {
    name: 'swallows an error in a savepoint',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        try {
          await db.savepoint(async (inner) => {
            await o.write(inner, 1)
            await inner.query(o.random.pick(FAILING)).catch(() => {})
          })
        } catch {
          o.undone(1 << 1)
        }
        await o.write(db, 2)
      }),
  },
  {
    name: 'does not await a query',
    weight: 10,
    run: (o) =>
      o.scope(async (db) => {
        if (o.random.chance(0.7)) await o.write(db, 0)
        const floating = 1 + o.random.int(3)
        for (let part = 1; part <= floating; part++) o.float(db, part)
        if (o.random.chance(0.3)) throw new Deliberate()
        for (let ticks = o.random.int(6); ticks > 0; ticks--) await undefined
      }),
  },
  {
    name: 'does not await a savepoint',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        db.savepoint((inner) => o.float(inner, 1)).catch(() => {})
        for (let ticks = o.random.int(6); ticks > 0; ticks--) await undefined
      }),
  },
  {
    name: 'keeps a handle',
    weight: 6,
    async run(o) {
      let kept: ScopedDb | undefined
      await o.scope(async (db) => {
        kept = db
        await o.write(db, 0)
        if (o.random.chance(0.3)) {
          await db.savepoint(async (inner) => {
            kept = inner
          })
        }
      })
      if (kept) o.world.keep({ tenant: o.tenant, db: kept })
    },
  },
  {
    name: 'uses a kept handle',
    weight: 8,
    async run(o) {
      const kept = o.world.takeKept(o.random.next())
      if (!kept) return
      o.tenant = kept.tenant
      // A client that somebody else has by now: the row is in that one's transaction.
      if (o.subject.byText) o.exempt = true
      await o.write(kept.db, 0)
    },
  },
  {
    name: 'uses a kept handle inside another scope',
    weight: 3,
    async run(o) {
      const kept = o.world.takeKept(o.random.next())
      if (!kept) return
      o.tenant = kept.tenant
      if (o.subject.byText) o.exempt = true
      await o.subject.withTenant(o.other().key, async (db) => {
        await db.query('select 1')
        await o.write(kept.db, 0)
      })
    },
  },
  {
    name: "nests another tenant's scope",
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        const other = o.other()
        const nested = o.random.chance(0.5)
          ? db.withTenant(other.key, (inner) => inner.query('select 1'))
          : o.subject.query(other.key, 'select tenant from soak_row limit 1', [])
        const careless = o.random.chance(0.5)
        await (careless ? nested.catch(() => {}) : nested)
        await o.write(db, 1)
      }),
  },
  {
    name: "names another tenant's table",
    weight: 6,
    async run(o) {
      const other = o.other()
      // At level `schema` a qualified name reaches it: promised at level `role` and above.
      if (o.subject.name === 'ours' && o.world.level === 'schema') return
      const text = o.random.pick([
        `select tenant from "${other.schema}".soak_row limit 1`,
        `with w as (select tenant from "${other.schema}".soak_row limit 1) select * from w`,
        `select key as tenant from "${other.schema}"._tenant_c_`,
      ])
      const { rows } = await o.subject.query(o.tenant.key, text, [])
      o.requireOwn(
        rows.map((row) => row.tenant),
        'a row, by its qualified name,',
      )
    },
  },
  {
    name: 'a tenant that is not there',
    weight: 5,
    async run(o) {
      o.exempt = true
      const ghost = o.random.pick(GHOST_KEYS)
      await o.subject.withTenant(ghost, async (db) => {
        await db.query('insert into soak_row (tenant, op, part) values ($1, $2, 0)', [ghost, o.op])
      })
    },
  },
  {
    name: 'a tenant that comes and goes',
    weight: 6,
    async run(o) {
      o.exempt = true
      await o.subject.withTenant(CHURN_KEY, async (db) => {
        const { rows } = await db.query('select tenant from soak_row limit 5')
        for (const row of rows)
          if (row.tenant !== CHURN_KEY) o.leak(`a row of ${String(row.tenant)} in churn`)
        await db.query('insert into soak_row (tenant, op, part) values ($1, $2, 0)', [CHURN_KEY, o.op])
        if (o.random.chance(0.2)) await delay(o.random.int(10))
      })
    },
  },
]
