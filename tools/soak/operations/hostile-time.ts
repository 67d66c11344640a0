import { setTimeout as delay } from 'node:timers/promises'
import type { Operation } from '../context.ts'
import { Deliberate } from '../deliberate.ts'
import type { ScopedDb } from '../subject.ts'
import type { OperationKind } from './kind.ts'

/** Fires at once, between two turns of the event loop, or after up to eight milliseconds. */
function signalSoon({ random }: Operation): AbortSignal {
  const controller = new AbortController()
  const when = random.int(10)
  if (when === 0) controller.abort()
  else if (when === 1) queueMicrotask(() => controller.abort())
  else if (when === 2) setImmediate(() => controller.abort())
  else setTimeout(() => controller.abort(), random.int(9))
  return controller.signal
}

async function busy(o: Operation, db: ScopedDb): Promise<void> {
  await o.write(db, 0)
  if (o.random.chance(0.3)) await db.query('select pg_sleep(0.01)')
  await db.savepoint((inner) => o.write(inner, 1))
  await o.write(db, 2)
}

/** Work that is cut short: by the caller, or by a limit (hazards g, h, i). */
export const HOSTILE_TIME: readonly OperationKind[] = [
  {
    name: 'is aborted',
    weight: 14,
    run: (o) => o.scope((db) => busy(o, db), { ...o.options(), signal: signalSoon(o) }),
  },
  {
    name: 'is aborted: one-shot',
    weight: 4,
    async run(o) {
      const text = 'insert into soak_row (tenant, op, part) values ($1, $2, $3)'
      o.may |= 1
      await o.subject.query(o.tenant.key, text, o.row(0), { ...o.options(), signal: signalSoon(o) })
      o.must |= 1
    },
  },
  {
    name: 'statement timeout',
    weight: 4,
    run: (o) =>
      o.scope(
        async (db) => {
          await o.write(db, 0)
          const slow = db.query('select pg_sleep(0.05)')
          await (o.random.chance(0.5) ? slow.catch(() => {}) : slow)
          await o.write(db, 1)
        },
        { statementTimeout: 5 },
      ),
  },
  {
    name: 'statement timeout of 1 ms, wherever it falls',
    weight: 5,
    run: (o) => o.scope((db) => busy(o, db), { ...o.options(), statementTimeout: 1 }),
  },
  {
    name: 'idle timeout',
    weight: 2,
    run: (o) =>
      o.scope(
        async (db) => {
          await o.write(db, 0)
          await delay(15)
          await o.write(db, 1)
        },
        { idleTimeout: 5 },
      ),
  },
  {
    name: 'throws while a query runs',
    weight: 4,
    run: (o) =>
      o.scope(async (db) => {
        await o.write(db, 0)
        o.float(db, 1)
        await delay(o.random.int(3))
        throw new Deliberate()
      }),
  },
]
