import { qualify } from '../../../sql/identifier.ts'
import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack } from './scene.ts'

const tables = attack(
  { id: 'n', title: "a tenant lists the others' tables", promise: ['database'] },
  async ({ subject, a, b, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, (db) =>
        db.query('select count(*)::int as tables from pg_catalog.pg_tables where schemaname = $1', [
          lab.schemaOf(b),
        ]),
      ),
    )
    if (!outcome.ok || Number(outcome.value.rows[0]?.tables) === 0)
      return stopped('the catalogue shows nothing')
    if (lab.traits.shared) return open('the tables are everybody’s, and so is what is known of their size')
    return open(
      'names and sizes are in the catalogue of the database; only a database for each tenant hides them',
    )
  },
)

const registry = attack(
  {
    id: 'n.registry',
    title: 'a tenant lists the others in the registry',
    promise: ['role', 'login', 'database'],
  },
  async ({ subject, a, b, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, (db) =>
        db.query(`select key from ${qualify(lab.controlSchema, 'tenant')} where key = $1`, [b]),
      ),
    )
    if (!outcome.ok) return stopped(`refused (${nameOf(outcome.error)})`)
    if (outcome.value.rows.length === 0) return stopped('the other tenant is not in it')
    return open('its scopes run as the application, which reads the registry: keys, status, plan')
  },
)

export const catalogue = [tables, registry]
