import { qualify } from '../../../sql/identifier.ts'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { Finding, Subject } from '../types.ts'
import { attack, EVERY, type Scene } from './scene.ts'

const ALL_NOTES = { text: 'select * from notes', name: 'kit_all_notes' }

/** Runs a named statement, changes the table, and counts how often the statement fails from then on. */
async function drift({ lab, a }: Scene, run: () => Promise<unknown>): Promise<Finding> {
  for (let time = 0; time < 3; time++) await run()
  await lab.adminAs(a, `alter table ${qualify(lab.schemaOf(a), 'notes')} add column extra int`)
  let last: unknown
  for (let time = 0; time < 4; time++) {
    const outcome = await settle(run())
    last = outcome.ok ? undefined : outcome.error
  }
  if (last !== undefined) return open(`the statement fails for ever after (${nameOf(last)})`)
  return stopped('at most the first run after the change failed')
}

const inScope = attack({ id: 'k', title: 'named statement after a schema change', promise: EVERY }, (scene) =>
  drift(scene, () => scene.subject.withTenant(scene.a, (db) => db.query(ALL_NOTES))),
)

const oneShot = attack(
  { id: 'k.oneshot', title: 'the same with one statement in a scope of its own', promise: EVERY },
  async (scene) => {
    if (!scene.subject.query) return notApplicable('the subject has no one-statement scope')
    return drift(scene, async () => scene.subject.query?.(scene.a, ALL_NOTES))
  },
)

const mixedUp = attack(
  { id: 'k.names', title: 'two statements under one name', promise: EVERY },
  async ({ subject, a }) => {
    const run = async (text: string) => {
      const { rows } = await subject.withTenant(a, (db) => db.query({ text, name: 'kit_same_name' }))
      return rows[0]?.answer
    }
    // The first scope on a connection may not use names yet.
    await run(`select 'first' as answer`)
    for (const answer of ['first', 'second', 'first']) {
      const outcome = await settle(run(`select '${answer}' as answer`))
      if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
      if (outcome.value !== answer) return open(`asked for "${answer}", the statement "${outcome.value}" ran`)
    }
    return stopped('each text runs what it says')
  },
)

const foreign = attack(
  { id: 'k.tenants', title: "a named statement runs another tenant's plan", promise: EVERY },
  async ({ subject, a, b }) => {
    const run = (scoped: Subject, tenant: string) => scoped.withTenant(tenant, (db) => db.query(ALL_NOTES))
    for (let time = 0; time < 8; time++) {
      for (const tenant of [a, b]) {
        const { rows } = await run(subject, tenant)
        if (rows.length !== 1 || rows[0]?.body !== `row of ${tenant}`)
          return open(`${tenant} read other rows`)
      }
    }
    return stopped('16 runs in turn, each with its own rows')
  },
)

export const prepared = [inScope, oneShot, mixedUp, foreign]
