import type { WireMessage } from '@org/pg-testing'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { Attack, Finding, Lab } from '../types.ts'
import { attack, EVERY } from './scene.ts'

/** Milliseconds, in which the next scope has to be served as well, on a slow machine too. */
const QUERY_TIMEOUT_MS = 1500

/** The first ROLLBACK falls into a hole, and with it everything that follows on that connection. */
function swallowRollback() {
  const state = { done: false }
  const onMessage = ({ from, text }: WireMessage): 'black-hole' | undefined => {
    if (state.done || from !== 'frontend' || !/^rollback$/i.test(text ?? '')) return undefined
    state.done = true
    return 'black-hole'
  }
  return { state, onMessage }
}

async function runSilent(lab: Lab): Promise<Finding> {
  const { state, onMessage } = swallowRollback()
  const { a, b } = await lab.victims()
  const rig = await lab.open({ config: { query_timeout: QUERY_TIMEOUT_MS }, onMessage })
  try {
    await settle(
      rig.subject.withTenant(a, async (db) => {
        await db.query(`insert into notes (body) values ('undone')`)
        throw new Error('undo everything')
      }),
    )
    if (!state.done) return notApplicable('the subject sent no ROLLBACK that could be recognised')
    const next = await settle(rig.subject.withTenant(b, (db) => db.query('select body from notes')))
    if ((await lab.bodies(a)).includes('undone')) return open('what was rolled back has been committed')
    if (!next.ok) return open(`the next scope got the unusable connection (${nameOf(next.error)})`)
    return stopped('the connection was thrown away, the next scope got another one')
  } finally {
    await rig.close()
  }
}

const silent: Attack = { id: 'g', title: 'ROLLBACK is never answered', promise: EVERY, run: runSilent }

const killed = attack(
  { id: 'g.killed', title: 'the backend dies inside a scope', promise: EVERY },
  async ({ subject, a, b, lab }) => {
    const killer = await lab.open()
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`insert into notes (body) values ('undone')`)
        const { rows } = await db.query('select pg_backend_pid() as pid')
        // The application may end sessions of its own role.
        await killer.pool.query('select pg_terminate_backend($1::int)', [rows[0]?.pid])
        await db.query('select 1')
      }),
    )
    await killer.close()
    const next = await settle(subject.withTenant(b, (db) => db.query('select body from notes')))
    if (outcome.ok) return open('the scope reported success without a backend')
    if ((await lab.bodies(a)).includes('undone')) return open('what was rolled back has been committed')
    if (!next.ok) return open(`the next scope got the dead connection (${nameOf(next.error)})`)
    return stopped(`the scope failed with ${nameOf(outcome.error)}, its connection was not reused`)
  },
)

export const rollbackFails = [silent, killed]
