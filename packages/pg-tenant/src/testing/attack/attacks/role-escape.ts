import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { nameOf, open, settle, stopped } from '../finding.ts'
import type { Finding } from '../types.ts'
import { attack, type Scene } from './scene.ts'

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
    promise: ['role', 'login', 'database'],
  },
  (scene) => reads(scene, `select body from ${notesOfB(scene)}`),
)

const statements = attack(
  {
    id: 'o.statements',
    title: 'injected: RESET ROLE; SET ROLE other; SELECT',
    promise: ['role', 'login', 'database'],
  },
  (scene) => {
    const role = quoteIdentifier(scene.lab.roleOf(scene.b))
    return reads(scene, `select 1; reset role; set role ${role}; select body from ${notesOfB(scene)}`)
  },
)

const function_ = attack(
  {
    id: 'o.set_config',
    title: 'injected: one SELECT that changes role and reads',
    promise: ['login', 'database'],
  },
  (scene) => {
    const { lab, a, b } = scene
    const change = (tenant: string) => `set_config('role', '${lab.roleOf(tenant)}', true)`
    const xml = `query_to_xml('select body from ${notesOfB(scene)}', true, false, '')::text`
    if (lab.isolation === 'schema') return reads(scene, `select ${xml} as x`)
    return reads(scene, `select case when ${change(b)} <> '' then ${xml} end as x, ${change(a)} as back`)
  },
)

const block = attack(
  {
    id: 'o.do',
    title: 'injected: a DO block that changes role, writes and changes back',
    promise: ['login', 'database'],
  },
  async ({ subject, a, b, lab }) => {
    const role = (tenant: string) =>
      lab.isolation === 'schema' ? '' : `set local role ${quoteIdentifier(lab.roleOf(tenant))};`
    const insert = `insert into ${qualify(lab.schemaOf(b), 'notes')} (body) values ('forged');`
    const outcome = await settle(
      subject.withTenant(a, (db) => db.query(`do $$ begin ${role(b)} ${insert} ${role(a)} end $$`)),
    )
    if ((await lab.bodies(b)).includes('forged')) return open("a row was forged in the other tenant's table")
    return stopped(outcome.ok ? 'nothing was written' : `refused (${nameOf(outcome.error)})`)
  },
)

export const roleEscape = [names, statements, function_, block]
