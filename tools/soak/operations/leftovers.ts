import type { Operation } from '../context.ts'
import { Deliberate } from '../deliberate.ts'
import type { ScopedDb } from '../subject.ts'
import type { Tenant } from '../tenants.ts'
import type { OperationKind } from './kind.ts'
import { probe } from './probes.ts'

/** SQL that leaves something on the session, named after the tenant so that a probe can tell whose it is. */
const LEFTOVERS: Readonly<Record<string, (tenant: Tenant) => string>> = {
  'temporary table': ({ index }) => `create temp table if not exists soak_tmp_${index} (tenant text)`,
  'held cursor': ({ index }) => `do $$ begin
      if not exists (select from pg_cursors where name = 'soak_held_${index}') then
        execute 'declare soak_held_${index} cursor with hold for select tenant from soak_row limit 3';
      end if; end $$`,
  'session advisory lock': ({ index }) => `select pg_try_advisory_lock(4242, ${index})`,
  'session setting': ({ key }) => `select set_config('soak.owner', '${key}', false)`,
  'server setting': ({ key }) =>
    `select set_config('row_security', 'off', false), set_config('soak.owner', '${key}', false)`,
  'listened channel, through DO': ({ index }) => `do $$ begin execute 'listen soak_${index}'; end $$`,
}

/** Scopes started together, so that they meet the left-over on whatever connection it is. */
const AT_ONCE = 4

const leaving: readonly OperationKind[] = Object.entries(LEFTOVERS).map(([name, leave]) => ({
  name: `leaves a ${name}`,
  weight: 4,
  run: (o) =>
    o.scope(async (db) => {
      await db.query(leave(o.tenant))
      if (o.random.chance(0.5)) await o.write(db, 0)
      // Most of the leftovers are committed; what is undone must not come back either.
      if (o.random.chance(0.3)) throw new Deliberate()
    }),
}))

/** The scope of another tenant that ends in a rollback, in one of several ways. */
async function failing(o: Operation): Promise<void> {
  const work = async (db: ScopedDb) => {
    await db.query('select 1')
    throw new Deliberate()
  }
  const options = o.random.chance(0.3) ? { statementTimeout: 1 } : undefined
  await o.subject.withTenant(o.tenant.key, work, options).catch(() => {})
}

const together = (work: () => Promise<void>): Promise<unknown> =>
  Promise.all(Array.from({ length: AT_ONCE }, work))

/** What is left on a session, and who meets it (hazard k'). */
export const LEAVING: readonly OperationKind[] = [
  ...leaving,
  {
    // It writes no row itself: what later scopes believe to have written to the tenant's table would be lost.
    name: 'leaves a temporary table in front of the real one',
    weight: 3,
    run: (o) =>
      o.scope(async (db) => {
        await db.query('create temp table if not exists soak_row (tenant text, op bigint, part int)')
      }),
  },
  {
    // A failed scope undoes its own clean-up: what it was to remove must not be there for the next one.
    name: 'leaves something, then others fail and look',
    weight: 8,
    async run(o) {
      const leaver = o.other()
      const leave = o.random.pick(Object.values(LEFTOVERS))
      await o.subject.withTenant(leaver.key, (db) => db.query(leave(leaver)))
      await together(() => failing(o))
      await together(() => probe(o))
    },
  },
]
