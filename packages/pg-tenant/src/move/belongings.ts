import type { Belongings, Queryable, QueryRows, TenantTable } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../archive/client.ts'
import { copyIn, copyOut } from '../archive/copy.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify, quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import { type Route, refused } from './route.ts'

/** A table in the cluster that is left, and the same in the one that is gone to. */
interface Pair {
  readonly source: TenantTable
  readonly target: TenantTable
  readonly columns: readonly string[]
}

// A generated column has no value of its own.
const COLUMNS = `select a.attname as name from pg_attribute a where a.attrelid = to_regclass($1)
  and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`

/** What a package gets to see of the transaction. */
const control = (admin: Admin): Queryable => ({
  query: async <R extends object>(text: string, values?: readonly unknown[]) =>
    (await admin.query(text, values)) as QueryRows<R>,
})

const nameOf = ({ schema, name }: TenantTable) => qualify(schema, name)

async function columnsOf(admin: Admin, table: TenantTable): Promise<readonly string[]> {
  const all = (await admin.run(COLUMNS, [nameOf(table)])).map(({ name }) => String(name))
  return all.filter((name) => !table.anew?.includes(name))
}

/**
 * Which table goes into which; asked before anything is closed.
 *
 * @throws TenancyError CONFLICT (`details.reason` `belongings`) where the other cluster has no place for something
 */
export async function pairUp(source: Admin, target: Admin, route: Route): Promise<readonly Pair[]> {
  const pairs: Pair[] = []
  const others = new Map(belongingsOf(route.to.lifecycle).map((one) => [one.name, one]))
  for (const own of belongingsOf(route.from.lifecycle)) {
    for (const [index, table] of own.tables.entries()) {
      const columns = await columnsOf(source, table)
      // What was never installed has no rows.
      if (columns.length === 0) continue
      const there = others.get(own.name)?.tables[index]
      const found = new Set(there ? await columnsOf(target, there) : [])
      if (there && columns.every((name) => found.has(name)))
        pairs.push({ source: table, target: there, columns })
      else if (await hasRows(source, table, route.tenant)) throw noPlace(route, own, table)
    }
  }
  return pairs
}

export const belongingsOf = ({ belongings }: Lifecycle): readonly Belongings[] => belongings ?? []

async function hasRows(admin: Admin, table: TenantTable, tenant: string): Promise<boolean> {
  const rows = await admin.run(
    `select from ${nameOf(table)} where ${quoteIdentifier(table.tenant)} = $1 limit 1`,
    [tenant],
  )
  return rows.length > 0
}

function noPlace(route: Route, { name }: Belongings, table: TenantTable) {
  return refused(
    route,
    'belongings',
    `The cluster it is to go to has no place for its ${name} (table ${table.schema}.${table.name}, or a column of it). Install ` +
      'there what is installed here, and give both tenancies the same belongings. Nothing was changed.',
  )
}

/** Asks what is under way to come to rest. @returns how much still is */
export async function leave(source: Admin, { from, tenant }: Route): Promise<number> {
  let busy = 0
  for (const one of belongingsOf(from.lifecycle)) busy += (await one.leave?.(control(source), tenant)) ?? 0
  return busy
}

/**
 * Puts a tenant's rows of control schemas into the other cluster in one transaction of each; what an earlier attempt brought
 * goes first.
 *
 * @returns a fingerprint of what was read
 */
export async function carry(route: Route, signal: AbortSignal | undefined): Promise<string> {
  const { from, tenant, to } = route
  const [source, target] = [from.lifecycle.adminPool, to.lifecycle.adminPool]
  return await withAdminClient(
    source,
    (here) =>
      withAdminClient(
        target,
        async (there) => {
          await begin(here, 'repeatable read read only')
          await begin(there, 'read committed read write')
          await pinSettings(here)
          await pinSettings(there)
          const pairs = await pairUp(here, there, route)
          for (const pair of pairs.toReversed()) await remove(there, pair.target, tenant)
          for (const pair of pairs) await copyTable(here, there, pair, tenant)
          for (const one of belongingsOf(to.lifecycle)) await one.arrive?.(control(there), tenant)
          const print = await fingerprint(here, route)
          await there.run('commit')
          return print
        },
        signal,
      ),
    signal,
  )
}

async function copyTable(
  here: AdminClient,
  there: AdminClient,
  { source, target, columns }: Pair,
  tenant: string,
): Promise<void> {
  // A trigger of a table before this one may have made rows in it.
  await remove(there, target, tenant)
  const list = columns.map(quoteIdentifier).join(', ')
  const into = await copyIn(there, `copy ${nameOf(target)} (${list}) from stdin`)
  try {
    await copyOut(
      here,
      `copy (select ${list} from ${nameOf(source)} where ${quoteIdentifier(source.tenant)} = ${quoteLiteral(tenant)}) to stdout`,
      (piece) => into.write(Buffer.from(piece)),
    )
  } catch (error) {
    await into.abandon()
    throw error
  }
  await into.finish()
}

async function remove(admin: Admin, table: TenantTable, tenant: string): Promise<void> {
  await admin.run(`delete from ${nameOf(table)} where ${quoteIdentifier(table.tenant)} = $1`, [tenant])
}

/** Removes what has gone, where it has gone from. */
export async function leaveBehind(
  admin: Admin,
  lifecycle: Lifecycle,
  tenant: Route['tenant'],
): Promise<void> {
  for (const one of belongingsOf(lifecycle).toReversed()) {
    if (one.remove) await one.remove(control(admin), tenant)
    else
      for (const table of one.tables.toReversed())
        if ((await columnsOf(admin, table)).length > 0) await remove(admin, table, tenant)
  }
}

/** Nobody writes into these tables until the transaction ends. @throws TenancyError TIMEOUT */
export async function holdStill(admin: Admin, { lifecycle }: Route['from']): Promise<void> {
  for (const table of await settledTables(admin, lifecycle))
    await admin.run(`lock table ${nameOf(table)} in share mode`)
}

/** Changes when a row that somebody may have written meanwhile does. */
export async function fingerprint(admin: Admin, { from, tenant }: Route): Promise<string> {
  const prints: string[] = []
  for (const table of await settledTables(admin, from.lifecycle)) {
    const [row] = await admin.run(
      `select count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) as print
       from ${nameOf(table)} t where ${quoteIdentifier(table.tenant)} = $1`,
      [tenant],
    )
    prints.push(String(row?.print))
  }
  return prints.join(' ')
}

async function settledTables(admin: Admin, lifecycle: Lifecycle): Promise<readonly TenantTable[]> {
  const tables: TenantTable[] = []
  for (const table of belongingsOf(lifecycle).flatMap((one) => one.tables))
    if (!table.appended && (await columnsOf(admin, table)).length > 0) tables.push(table)
  return tables
}
