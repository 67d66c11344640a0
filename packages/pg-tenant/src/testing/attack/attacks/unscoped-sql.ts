import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import { attack, EVERY, type Scene } from './scene.ts'

/** Statements that say nothing about the tenant. */
const FORGETFUL: readonly (readonly string[])[] = [
  ['select body from notes'],
  [`select body from notes where body like 'row of %' for update`],
  ['select n.body from notes n join notes o on true'],
  ['declare kit_rows cursor for select body from notes', 'fetch all from kit_rows'],
  ['update notes set body = body returning body'],
  ['merge into notes n using (select 1) s on true when matched then delete', 'select body from notes'],
]

/** What every statement brought back, in scopes of their own that are rolled back; one may also be refused. */
async function broughtBack({ subject, a }: Scene): Promise<string[]> {
  const bodies: string[] = []
  for (const statements of FORGETFUL) {
    await settle(
      subject.withTenant(a, async (db) => {
        for (const sql of statements) {
          for (const row of (await db.query(sql)).rows) bodies.push(String(row.body))
        }
        throw new Error('undo everything')
      }),
    )
  }
  return bodies
}

const forgotten = attack(
  { id: 'row.where', title: 'a statement without a tenant in its WHERE', promise: EVERY },
  async (scene) => {
    const { subject, a, b, lab } = scene
    if ((await broughtBack(scene)).includes(`row of ${b}`))
      return open("it brought back the other tenant's rows")
    await subject.withTenant(a, (db) => db.query(`update notes set body = 'defaced'`))
    await subject.withTenant(a, (db) => db.query('delete from notes'))
    const left = await lab.bodies(b)
    if (left.join() !== `row of ${b}`) return open("it changed the other tenant's rows")
    return stopped(`${FORGETFUL.length + 2} statements, each on its own rows only`)
  },
)

const copied = attack(
  { id: 'row.copy', title: 'COPY of a whole table', promise: EVERY },
  async ({ subject, a, b }) => {
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        if (!db.copyTo) return undefined
        let text = ''
        for await (const chunk of await db.copyTo('copy notes to stdout')) text += String(chunk)
        return text
      }),
    )
    if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
    if (outcome.value === undefined) return notApplicable('the subject has no COPY')
    if (outcome.value.includes(`row of ${b}`)) return open("it holds the other tenant's rows")
    if (!outcome.value.includes(`row of ${a}`))
      return open('not even its own rows are in it: nothing is proved')
    return stopped('it holds its own rows only')
  },
)

export const unscopedSql = [forgotten, copied]
