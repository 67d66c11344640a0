import { type Belongings, invalidOption } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { databaseOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import { belongingsOf } from './belongings.ts'
import { type Route, refused, type Side } from './route.ts'

// The same in two connections at once only where it is one database of one server: a server that was copied started at another time.
const IDENTITY = `select concat_ws(' ', s.system_identifier, extract(epoch from pg_postmaster_start_time()), d.oid) as identity
  from pg_control_system() s, pg_database d where d.datname = current_database()`

/** Whether two placements keep their tenants in one database, as those do that differ in the level alone. */
export function isOneDatabase(one: Lifecycle, other: Lifecycle): Promise<boolean> {
  return inAdminTransaction(one.adminPool, async (here) => {
    const [mine] = await here.run(IDENTITY)
    const [its] = await inAdminTransaction(other.adminPool, (there) => there.run(IDENTITY))
    return mine?.identity === its?.identity
  })
}

/**
 * @throws TenancyError INVALID_OPTION where they are one registry: a tenant would be in both at once, and nothing could be moved
 */
export async function requireTwoRegistries(one: Side, other: Side): Promise<void> {
  const [mine, its] = [one.lifecycle.registry, other.lifecycle.registry]
  if (mine.controlSchema !== its.controlSchema || mine.prefix !== its.prefix) return
  if (!(await isOneDatabase(one.lifecycle, other.lifecycle))) return
  throw invalidOption(
    `placements.${other.name}`,
    `in another database than ${one.name}, or of another schemaPrefix (and rolePrefix): as it is they are one and the same`,
  )
}

/**
 * Within one database a tenant is there twice until it has changed hands, by two names; and what packages keep of it is where it is to
 * be already: it is left alone.
 *
 * @throws TenancyError CONFLICT (`details.reason` `names`)
 */
export async function withinOne(route: Route): Promise<Route> {
  const { from, tenant, to } = route
  if (!(await isOneDatabase(from.lifecycle, to.lifecycle))) return route
  const names = [from, to].map(({ lifecycle }) => namesAt(lifecycle, tenant))
  const same = names[0]?.find((name) => names[1]?.includes(name))
  if (same !== undefined) throw refused(route, 'names', namesMessage(same))
  return { tenant, to, from: { ...from, lifecycle: withoutShared(from.lifecycle, to.lifecycle) } }
}

function namesAt(lifecycle: Lifecycle, tenant: Route['tenant']): string[] {
  const { level, naming } = lifecycle
  if (traitsOf(level).shared) return []
  const role = ownerOf(lifecycle, tenant)
  const database = traitsOf(level).ownDatabase ? databaseOf(naming, tenant) : undefined
  const home = database === undefined ? `schema ${schemaOf(naming, tenant)}` : `database ${database}`
  return role === undefined ? [home] : [home, `role ${role}`]
}

function withoutShared(lifecycle: Lifecycle, other: Lifecycle): Lifecycle {
  const there = belongingsOf(other)
  const isShared = (own: Belongings) =>
    own.tables.length > 0 && there.some((one) => one.name === own.name && tablesOf(one) === tablesOf(own))
  const belongings = belongingsOf(lifecycle).map((one) =>
    // What it has in a database of its own stays no good elsewhere.
    isShared(one) ? { name: one.name, tables: [], ...(one.own && { own: one.own }) } : one,
  )
  return { ...lifecycle, belongings }
}

const tablesOf = ({ tables }: Belongings) => JSON.stringify(tables.map(({ schema, name }) => [schema, name]))

const namesMessage = (name: string) =>
  `Both placements are in one database, and there the tenant would have the same ${name} in both. Give one of them another schemaPrefix, ` +
  'and another rolePrefix. Nothing was changed.'
