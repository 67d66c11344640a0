import { quoteIdentifier } from '../../../sql/identifier.ts'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { SubjectDb } from '../types.ts'
import { attack, EVERY } from './scene.ts'

const TRICKS: Readonly<Record<string, (portal: string) => readonly string[]>> = {
  FETCH: (portal) => [`fetch next from ${portal}`],
  'FETCH ALL': (portal) => [`fetch all from ${portal}`],
  MOVE: (portal) => [`move next from ${portal}`],
  CLOSE: (portal) => [`close ${portal}`],
  'CLOSE and DECLARE': (portal) => [`close ${portal}`, `declare ${portal} cursor for select 1`],
}

async function portalOf(db: SubjectDb): Promise<string | undefined> {
  const { rows } = await db.query(
    `select name from pg_cursors where name ~ '^pgt_' and name !~ '^pgt_stream'`,
  )
  return rows[0] && quoteIdentifier(String(rows[0].name))
}

/**
 * The library's own check before COMMIT is a portal, whose name every SQL statement of the scope can see. Statements of the caller's
 * alone: what code can do that runs within one is o.portal (disarmed-check.ts).
 */
export const gatePortal = attack(
  { id: 'f.portal', title: 'a statement that tampers with the check before COMMIT', promise: EVERY },
  async ({ subject, a, lab }) => {
    const away = `set_config('search_path', '${quoteIdentifier(lab.sharedSchema)}', true)`
    const open_: string[] = []
    for (const [name, trick] of Object.entries(TRICKS)) {
      const body = `${name} ${a}`
      const outcome = await settle(
        subject.withTenant(a, async (db) => {
          const portal = await portalOf(db)
          if (portal === undefined) return false
          for (const sql of trick(portal)) await db.query(sql)
          await db.query(`select ${away}`)
          await db.query('insert into notes (body) values ($1)', [body])
          return true
        }),
      )
      if (outcome.ok && !outcome.value) return notApplicable('the subject keeps no portal open')
      if (outcome.ok) open_.push(name)
      else if ((await lab.sharedBodies()).includes(body))
        return open(`${name}: ${nameOf(outcome.error)}, but committed`)
    }
    if (open_.length > 0) return open(`committed outside the tenant's path after ${open_.join(', ')}`)
    return stopped(`${Object.keys(TRICKS).length} statements: the scope failed each time`)
  },
)
