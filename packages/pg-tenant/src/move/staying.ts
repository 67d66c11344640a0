import { type Staying, TenancyError } from '@org/core'
import { readInRoom } from '../admin/in-room.ts'
import type { Admin } from '../admin/transaction.ts'
import { beginReading } from '../archive/describe.ts'
import { type Place, placeOf, roomOf } from '../archive/place.ts'
import { visitTenant } from '../archive/visit.ts'
import { qualify } from '../sql/identifier.ts'
import { belongingsOf, control } from './belongings.ts'
import type { Route } from './route.ts'

/**
 * What cannot go along is told, unless it is to be left.
 *
 * @param lose names of belongings
 * @throws TenancyError CONFLICT (`details.reason` `stays`)
 */
export async function refuseStaying(source: Admin, route: Route, lose: readonly string[]): Promise<void> {
  for (const one of belongingsOf(route.from.lifecycle)) {
    if (lose.includes(one.name)) continue
    const found = await one.stays?.(control(source), route.tenant)
    if (found && found.count > 0) throw stayingBehind(route, one.name, found)
  }
}

function stayingBehind({ tenant, to }: Route, name: string, { count, advice }: Staying): TenancyError {
  return new TenancyError(
    'CONFLICT',
    `What ${name} holds of this tenant cannot go along: ${count} of them. ${advice} Then run it again; or name "${name}" in lose to ` +
      'leave them behind. The tenant is in service where it was.',
    { details: { tenant, reason: 'stays', belongings: name, count, placement: to.name } },
  )
}

const IS_TABLE = `select from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')`

/** The same of what a tenant has in a database of its own, counted with the tenant's rights: the table may be anything by now. */
export async function refuseOwnRows(route: Route, lose: readonly string[]): Promise<void> {
  const { lifecycle } = route.from
  const place = placeOf(lifecycle, route.tenant)
  if (place.database === undefined) return
  const visit = { lifecycle, tenant: route.tenant, place }
  for (const { name, own } of belongingsOf(lifecycle)) {
    if (own === undefined || lose.includes(name)) continue
    const count = await visitTenant(visit, ['active', 'suspended', 'moving'], async (found) => {
      await beginReading(found, place)
      return await rowsOf(found.home, place, own.table)
    })
    if (count > 0) throw stayingBehind(route, name, { count, advice: own.advice })
  }
}

async function rowsOf(admin: Admin, place: Place, table: string): Promise<number> {
  if ((await admin.run(IS_TABLE, [place.schema, table])).length === 0) return 0
  const counted = `select pg_catalog.count(*)::pg_catalog.float8 from ${qualify(place.schema, table)}`
  const [row] = await readInRoom(admin, roomOf(place), counted, 'rows pg_catalog.float8')
  return Number(row?.rows)
}

/** Asks what is under way to come to rest. @returns how much still is */
export async function leave(source: Admin, { from, tenant }: Route): Promise<number> {
  let busy = 0
  for (const one of belongingsOf(from.lifecycle)) busy += (await one.leave?.(control(source), tenant)) ?? 0
  return busy
}
