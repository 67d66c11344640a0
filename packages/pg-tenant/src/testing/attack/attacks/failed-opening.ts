import { quoteIdentifier } from '../../../sql/identifier.ts'
import { open, settle, stopped, tell } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

export const failedOpening = attack(
  { id: 'w', title: 'a statement pipelined behind a failed opening', promise: EVERY },
  async ({ subject, a, lab }) => {
    const body = `pipelined ${a}`
    await lab.adminAt(a, `drop schema ${quoteIdentifier(lab.schemaOf(a))} cascade`)
    const outcomes = [
      await settle(subject.withTenant(a, (db) => db.query('insert into notes (body) values ($1)', [body]))),
      await settle(
        subject.query?.(a, 'insert into notes (body) values ($1)', [body]) ??
          Promise.reject(new Error('none')),
      ),
    ]
    if ((await lab.sharedBodies()).includes(body)) return open('the statement ran without the tenant')
    return stopped(outcomes.map(tell).join('; one statement: '))
  },
)
