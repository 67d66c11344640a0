import { nameOf, open, settle, stopped } from '../finding.ts'
import type { SubjectDb } from '../types.ts'
import { attack, EVERY, type Scene } from './scene.ts'

const PLANTS = [
  `create temp table kit_temp as select 'secret of a' as secret`,
  'grant all on kit_temp to public',
  `create temp table notes as select 0::bigint as id, 'secret of a' as body`,
  'grant all on notes to public',
  `do $$ begin execute 'declare kit_held cursor with hold for select ''secret of a'' as secret'; end $$`,
  `select pg_advisory_lock(4711)`,
  `select set_config('kit.secret', 'secret of a', false)`,
]

/** What tenant b looks at. Each answers with a row whose `seen` is true when something of a is there. */
const PROBES: Readonly<Record<string, string>> = {
  'temporary table': 'select count(*) > 0 as seen from pg_temp.kit_temp',
  'temporary table in front of its own': `select count(*) > 0 as seen from notes where body = 'secret of a'`,
  'held cursor': `select count(*) > 0 as seen from pg_cursors where name = 'kit_held'`,
  'advisory lock': `select count(*) > 0 as seen from pg_locks
    where locktype = 'advisory' and pid = pg_backend_pid() and classid = 0 and objid = 4711`,
  lastval: 'select lastval() is not null as seen',
  setting: `select coalesce(current_setting('kit.secret', true), '') = 'secret of a' as seen`,
}

/** What the connection remembers; what a may not even create (no TEMP privilege, say) cannot be seen by b. */
async function plant({ subject, a }: Scene): Promise<void> {
  await subject.withTenant(a, (db) => db.query(`insert into notes (body) values ('for lastval')`))
  // A pool's session lock wants a connection of its own, of which there is none.
  for (const sql of PLANTS)
    await settle(subject.withTenant(a, (db) => db.query(sql), { connectionTimeout: 1_000 }))
}

async function seenBy({ subject, b }: Scene): Promise<string[]> {
  const seen: string[] = []
  for (const [what, sql] of Object.entries(PROBES)) {
    const found = await settle(subject.withTenant(b, (db: SubjectDb) => db.query(sql)))
    if (found.ok && found.value.rows[0]?.seen === true) seen.push(what)
  }
  return seen
}

const verdict = (seen: readonly string[]) =>
  seen.length > 0
    ? open(`the next tenant on the connection meets: ${seen.join(', ')}`)
    : stopped(`${Object.keys(PROBES).length} kinds of leftovers, none is there for the next tenant`)

const plain = attack(
  { id: "k'", title: 'session leftovers of another tenant', promise: EVERY },
  async (scene) => {
    await plant(scene)
    return verdict(await seenBy(scene))
  },
)

const afterFailure = attack(
  { id: "k'.rollback", title: 'the same, when the scope that cleaned up was rolled back', promise: EVERY },
  async (scene) => {
    await plant(scene)
    await settle(
      scene.subject.withTenant(scene.b, async (db) => {
        await db.query('select 1')
        throw new Error('undo everything')
      }),
    )
    return verdict(await seenBy(scene))
  },
)

const readOnly = attack(
  { id: "k'.mode", title: 'a tenant leaves the session read-only or at a 1 ms limit', promise: EVERY },
  async ({ subject, a, b }) => {
    const settings = [
      ['default_transaction_read_only', 'on'],
      ['default_transaction_isolation', 'serializable'],
    ]
    for (const [name, value] of settings) {
      await settle(subject.withTenant(a, (db) => db.query(`select set_config('${name}', '${value}', false)`)))
      for (let time = 0; time < 3; time++) {
        const write = await settle(
          subject.withTenant(b, async (db) => {
            await db.query(`insert into notes (body) values ('mine')`)
            return await db.query('show transaction_isolation')
          }),
        )
        if (!write.ok)
          return open(`after ${name} = ${value} the next tenant cannot write (${nameOf(write.error)})`)
        if (write.value.rows[0]?.transaction_isolation !== 'read committed')
          return open(`${name} = ${value} also holds for the next tenant`)
      }
    }
    return stopped('the next tenant writes as if nothing had been')
  },
)

export const leftovers = [plain, afterFailure, readOnly]
