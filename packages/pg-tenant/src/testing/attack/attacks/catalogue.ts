import { open, settle, stopped } from '../finding.ts'
import { attack } from './scene.ts'

export const catalogue = attack(
  { id: 'n', title: "a tenant lists the others' tables", promise: ['database'] },
  async ({ subject, a, b, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, (db) =>
        db.query('select count(*)::int as tables from pg_catalog.pg_tables where schemaname = $1', [
          lab.schemaOf(b),
        ]),
      ),
    )
    if (outcome.ok && Number(outcome.value.rows[0]?.tables) > 0)
      return open(
        'names and sizes are in the catalogue of the database; only a database for each tenant hides them',
      )
    return stopped('the catalogue shows nothing')
  },
)
