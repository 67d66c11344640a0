import { TENANT_SETTING } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { Finding } from '../types.ts'
import { attack, EVERY, type Scene } from './scene.ts'
import { becoming, identityOf } from './take-over.ts'

/** Whether a query of tenant a brings back the row of tenant b, in whatever form. */
async function reads({ subject, a, b }: Scene, sql: string): Promise<Finding> {
  const outcome = await settle(subject.withTenant(a, (db) => db.query(sql)))
  if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
  const seen = JSON.stringify(outcome.value.rows).includes(`row of ${b}`)
  return seen ? open("one tenant read the other's rows") : stopped('nothing of the other tenant came back')
}

const notesOfB = ({ lab, b }: Scene) => qualify(lab.schemaOf(b), 'notes')

const names = attack(
  {
    id: 'o.names',
    title: "a qualified name reaches another tenant's table",
    promise: ['role', 'login', 'row', 'database'],
  },
  (scene) => reads(scene, `select body from ${notesOfB(scene)}`),
)

const statements = attack(
  {
    id: 'o.statements',
    title: 'injected: several statements that change role or tenant, and read',
    promise: ['role', 'login', 'row', 'database'],
  },
  (scene) => {
    const { lab, b } = scene
    const become = lab.traits.shared
      ? `set ${TENANT_SETTING} to '${b}'`
      : `reset role; set role ${quoteIdentifier(lab.roleOf(b))}`
    return reads(scene, `select 1; ${become}; select body from ${notesOfB(scene)}`)
  },
)

const function_ = attack(
  {
    id: 'o.set_config',
    title: 'injected: one SELECT that changes role or tenant, reads and changes back',
    promise: ['login', 'database'],
  },
  (scene) => {
    const { lab, a, b } = scene
    const xml = `query_to_xml('select body from ${notesOfB(scene)}', true, false, '')::text`
    const become = `${identityOf(lab, b)} is not null`
    return reads(scene, `select case when ${become} then ${xml} end as x, ${identityOf(lab, a)} as back`)
  },
)

const block = attack(
  {
    id: 'o.do',
    title: 'injected: a DO block that changes role or tenant, writes and changes back',
    promise: ['login', 'database'],
  },
  async ({ subject, a, b, lab }) => {
    const become = (tenant: string) => `perform ${identityOf(lab, tenant)};`
    const insert = `insert into ${qualify(lab.schemaOf(b), 'notes')} (body) values ('forged');`
    const outcome = await settle(
      subject.withTenant(a, (db) => db.query(`do $$ begin ${become(b)} ${insert} ${become(a)} end $$`)),
    )
    if ((await lab.bodies(b)).includes('forged')) return open("a row was forged in the other tenant's table")
    return stopped(outcome.ok ? 'nothing was written' : `refused (${nameOf(outcome.error)})`)
  },
)

const lasting = attack(
  {
    id: 'o.lasting',
    title: 'injected: takes another tenant for the rest of the scope, writes',
    promise: EVERY,
  },
  async ({ subject, a, b, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`select ${becoming(lab, b)}`)
        await db.query(`insert into notes (body) values ('forged')`)
      }),
    )
    if ((await lab.bodies(b)).includes('forged')) return open("a row was forged in the other tenant's table")
    return stopped(
      outcome.ok ? 'nothing was written there' : `the scope failed with ${nameOf(outcome.error)}`,
    )
  },
)

const inSavepoint = attack(
  { id: 'o.savepoint', title: 'the same inside a savepoint, kept or rolled back; reads', promise: EVERY },
  async ({ subject, a, b, lab }) => {
    for (const kept of [true, false]) {
      const outcome = await settle(
        subject.withTenant(a, async (db) => {
          if (!db.savepoint) return undefined
          await settle(
            db.savepoint(async (inner) => {
              await inner.query(`select ${becoming(lab, b)}`)
              if (!kept) throw new Error('back to before')
            }),
          )
          return (await db.query('select body from notes')).rows
        }),
      )
      if (!outcome.ok) continue
      if (outcome.value === undefined) return notApplicable('the subject has no savepoints')
      if (outcome.value.some((row) => row.body === `row of ${b}`))
        return open(
          `the scope went on as the other tenant behind a savepoint ${kept ? 'released' : 'rolled back'}`,
        )
    }
    return stopped('the change fails with the scope, or is undone with its savepoint')
  },
)

export const roleEscape = [names, statements, function_, block, lasting, inSavepoint]
