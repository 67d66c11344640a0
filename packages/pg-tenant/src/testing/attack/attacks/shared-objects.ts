import { quoteIdentifier } from '../../../sql/identifier.ts'
import { nameOf, open, settle, stopped, tell } from '../finding.ts'
import type { Lab } from '../types.ts'
import { attack, EVERY } from './scene.ts'

const creates = attack(
  { id: 'l', title: 'a tenant creates objects in a shared schema', promise: EVERY },
  async ({ subject, a, lab }) => {
    const outcome = await settle(
      subject.withTenant(a, (db) =>
        db.query(`create view ${quoteIdentifier(lab.sharedSchema)}.kit_view as select 1 as one`),
      ),
    )
    return outcome.ok
      ? open('the view is there for all tenants')
      : stopped(`refused (${nameOf(outcome.error)})`)
  },
)

/** Better matches than the catalogue's own, for calls with the types that a careless query would have. */
const SHADOWS = (schema: string, victim: string): readonly string[] => [
  `create function ${schema}.current_schema() returns name language sql as $$ select '${victim}'::name $$`,
  `create function ${schema}.set_config(text, text, boolean) returns text language sql as $$ select $2 $$`,
  `create function ${schema}.current_setting(text) returns text language sql as $$ select 'on'::text $$`,
  `create function ${schema}.kit_eq(text, text) returns boolean language sql as $$ select true $$`,
  `create operator ${schema}.= (leftarg = text, rightarg = text, function = ${schema}.kit_eq)`,
  `create function ${schema}.kit_eq4(integer, integer) returns boolean language sql as $$ select false $$`,
  `create operator ${schema}.= (leftarg = integer, rightarg = integer, function = ${schema}.kit_eq4)`,
  `create table ${schema}.pg_class (id int)`,
]

/** Where both tenants share a database, what is done for the first is done for both. */
async function once(lab: Lab, at: string, sql: string, first: string): Promise<void> {
  if (lab.traits.ownDatabase || at === first) await lab.adminAt(at, sql)
}

const shadowed = attack(
  { id: 'l.catalogue', title: 'objects in a shared schema shadow the catalogue', promise: EVERY },
  async ({ subject, a, b, lab, pool }) => {
    const schema = quoteIdentifier(lab.sharedSchema)
    for (const sql of SHADOWS(schema, lab.schemaOf(a))) for (const at of [a, b]) await once(lab, at, sql, a)
    try {
      // The worst the session can hold when the scope opens: the shared schema in front of the catalogue.
      await pool.query(`set search_path to ${schema}, pg_catalog`)
      for (const tenant of [a, b, a]) {
        const outcome = await settle(subject.withTenant(tenant, (db) => db.query('select body from notes')))
        if (outcome.ok && outcome.value.rows[0]?.body !== `row of ${tenant}`)
          return open('the scope read other rows')
      }
      const left = await settle(
        subject.withTenant(a, async (db) => {
          await db.query(`select pg_catalog.set_config('search_path', '${schema}', true)`)
        }),
      )
      return left.ok
        ? open('the check before COMMIT believed the shadows')
        : stopped(`path change ${tell(left)}`)
    } finally {
      await settle(pool.query('reset search_path'))
      for (const sql of [
        `drop operator ${schema}.= (text, text)`,
        `drop operator ${schema}.= (integer, integer)`,
        `drop table ${schema}.pg_class`,
        `drop function ${schema}.current_schema(), ${schema}.set_config(text, text, boolean), ${schema}.current_setting(text), ${schema}.kit_eq(text, text), ${schema}.kit_eq4(integer, integer)`,
      ])
        for (const at of [a, b]) await once(lab, at, sql, a)
    }
  },
)

export const sharedObjects = [creates, shadowed]
