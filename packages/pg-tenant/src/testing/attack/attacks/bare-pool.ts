import type { Pool } from 'pg'
import { TENANT_SETTING } from '../../../isolation/row.ts'
import { qualify } from '../../../sql/identifier.ts'
import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY, type Scene } from './scene.ts'

/** Long enough for what takes it back on a machine that stalls, and shorter than what is read then. */
const LIMIT = `set statement_timeout = '300ms'`
const LONGER = 'select body, pg_sleep(0.5) from notes order by id limit 1'

/** What other code of the application may do to the same pool between two scopes. */
const POISONS = (other: string, tenant: string, application: string): readonly string[] => [
  `set search_path to ${other}, public`,
  `set role "${application}"`,
  `set ${TENANT_SETTING} to '${tenant}'`,
  'set row_security to off',
  'set session characteristics as transaction read only',
  LIMIT,
  'discard all',
  'deallocate all',
  'listen kit_bare',
  `create temp table notes as select 0::bigint as id, 'shadow' as body`,
  `set synchronous_commit to off`,
  `set standard_conforming_strings to off`,
]

/** One statement on a bare connection, as an ordinary unscoped user of the pool. */
async function bare(pool: Pool, sql: string): Promise<void> {
  await settle(pool.query(sql))
}

/** Both kinds of scope must still work, on the right rows; the first of them after a scope that rolled back. */
async function works(
  { subject, b }: Scene,
  failFirst: boolean,
  reading: string,
): Promise<string | undefined> {
  if (failFirst) {
    await settle(
      subject.withTenant(b, async (db) => {
        await db.query('select 1')
        throw new Error('undo everything')
      }),
    )
  }
  const read = await settle(subject.query?.(b, reading) ?? subject.withTenant(b, (db) => db.query(reading)))
  if (!read.ok) return `reading fails (${nameOf(read.error)})`
  if (read.value.rows[0]?.body !== `row of ${b}`) return 'other rows are read'
  const write = await settle(
    subject.withTenant(b, (db) => db.query(`insert into notes (body) values ('more')`)),
  )
  return write.ok ? undefined : `writing fails (${nameOf(write.error)})`
}

const poisoned = attack(
  { id: 'p.poison', title: 'unscoped use of the pool changes the session', promise: EVERY },
  async (scene) => {
    const { pool, lab, a, subject } = scene
    const broken: string[] = []
    for (const failFirst of [false, true]) {
      for (const sql of POISONS(`"${lab.schemaOf(a)}"`, a, lab.application)) {
        for (let time = 0; time < 2; time++)
          await settle(subject.withTenant(scene.b, (db) => db.query('select 1')))
        await bare(pool, sql)
        const problem = await works(
          scene,
          failFirst,
          sql === LIMIT ? LONGER : 'select body from notes order by id',
        )
        if (problem)
          broken.push(`after "${sql.slice(0, 50)}"${failFirst ? ' and a rollback' : ''} ${problem}`)
        await bare(pool, 'discard all')
      }
    }
    if (broken.length > 0) return open(`${broken.length} cases, e.g. ${broken[0]}`)
    return stopped('scopes work on their own rows after each')
  },
)

const halfDone = attack(
  { id: 'p.transaction', title: 'unscoped use of the pool leaves a transaction open', promise: EVERY },
  async ({ pool, subject, a, lab }) => {
    const table = `"${lab.sharedSchema}".notes`
    const body = `half done ${a}`
    const client = await pool.connect()
    await client.query(`begin; insert into ${table} (body) values ('${body}')`)
    client.release()
    const outcome = await settle(subject.withTenant(a, (db) => db.query('select 1')))
    if ((await lab.sharedBodies()).includes(body))
      return open("the scope committed the other's half transaction")
    return stopped(
      outcome.ok ? 'the scope ran apart from it' : `the scope failed with ${nameOf(outcome.error)}`,
    )
  },
)

const outside = attack(
  {
    id: 'p.outside',
    title: 'a query on the pool itself, outside any scope',
    promise: ['role', 'login', 'row', 'database'],
  },
  async ({ pool, subject, b, lab }) => {
    // Behind a scope of that tenant, on the very connection.
    await subject.withTenant(b, (db) => db.query('select 1'))
    const outcome = await settle(pool.query(`select body from ${qualify(lab.schemaOf(b), 'notes')}`))
    if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
    if (outcome.value.rows.length === 0) return stopped('it finds no rows')
    return open('the application reads every tenant without entering one')
  },
)

export const barePool = [poisoned, halfDone, outside]
