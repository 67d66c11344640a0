import type { Admin } from '../../admin/transaction.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import type { Place } from '../place.ts'

// Foreign keys are checked row by row when they are there while data comes in, and need an order that circles do not
// have; checks that are "not valid" may be broken by rows that are older than them. Both are dropped and made again with
// their own definition, in the same transaction; PostgreSQL then checks a foreign key in one pass (pg_dump does the same).
const CONSTRAINTS = `select format('%I.%I', n.nspname, t.relname) as "table", c.conname as name, pg_get_constraintdef(c.oid) as definition
  from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
  where t.relnamespace = $1::regnamespace and c.conparentid = 0 and c.coninhcount = 0
    and (c.contype = 'f' or not c.convalidated)
  order by c.oid`

// A trigger would do its work a second time: what it did then is in the archive.
const TRIGGERS = `select format('%I.%I', n.nspname, t.relname) as "table", g.tgname as name, g.tgenabled as enabled
  from pg_trigger g join pg_class t on t.oid = g.tgrelid join pg_namespace n on n.oid = t.relnamespace
  where t.relnamespace = $1::regnamespace and t.relkind = 'r' and not g.tgisinternal and g.tgenabled <> 'D'
  order by g.oid`

const ENABLE: Readonly<Record<string, string>> = { O: 'enable', R: 'enable replica', A: 'enable always' }

/**
 * Puts triggers and foreign keys of a tenant out of action while data comes in.
 *
 * @returns puts them back, which checks the foreign keys
 */
export async function suspendChecks(admin: Admin, { schema }: Place): Promise<() => Promise<void>> {
  const home = [quoteIdentifier(schema)]
  const triggers = await admin.run<Trigger>(TRIGGERS, home)
  const constraints = await admin.run<Constraint>(CONSTRAINTS, home)
  for (const { table, name } of triggers) {
    await admin.run(`alter table only ${table} disable trigger ${quoteIdentifier(name)}`)
  }
  for (const { table, name } of constraints) {
    await admin.run(`alter table ${table} drop constraint ${quoteIdentifier(name)}`)
  }
  return async () => {
    for (const { table, name, definition } of constraints) {
      await admin.run(`alter table ${table} add constraint ${quoteIdentifier(name)} ${definition}`)
    }
    for (const { table, name, enabled } of triggers) {
      await admin.run(`alter table only ${table} ${ENABLE[enabled]} trigger ${quoteIdentifier(name)}`)
    }
  }
}

interface Trigger {
  readonly table: string
  readonly name: string
  readonly enabled: string
}

interface Constraint {
  readonly table: string
  readonly name: string
  readonly definition: string
}
