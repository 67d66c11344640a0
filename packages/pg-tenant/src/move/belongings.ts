import type { Belongings, Queryable, QueryRows, TenantTable } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../archive/client.ts'
import { copyIn, copyOut } from '../archive/copy.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { requireArriving } from '../registry/arrival.ts'
import { recordOf } from '../registry/registry.ts'
import { qualify, quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import { requireOurs } from './claim.ts'
import type { MoveState } from './ledger.ts'
import { type Route, refused } from './route.ts'

/** A table in the cluster that is left, and the same in the one that is gone to. */
interface Pair {
  /** Whose it is, as the other cluster has it. */
  readonly owner: Belongings
  readonly source: TenantTable
  readonly target: TenantTable
  readonly columns: readonly string[]
}

// A generated column has no value of its own.
const COLUMNS = `select a.attname as name from pg_attribute a where a.attrelid = to_regclass($1)
  and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`

/** What a package gets to see of the transaction. */
export const control = (admin: Admin): Queryable => ({
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
      const owner = others.get(own.name)
      const there = owner?.tables[index]
      const found = new Set(there ? await columnsOf(target, there) : [])
      const read = Object.keys(table.read ?? {}).every((name) => columns.includes(name))
      if (owner && there && read && columns.every((name) => found.has(name)))
        pairs.push({ owner, source: table, target: there, columns })
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
    `The cluster it is to go to has no place for its ${name} (table ${table.schema}.${table.name}, or a column of it), or has another ` +
      'release of it. Install the same in both, and give both tenancies the same belongings. Nothing was changed.',
  )
}

/**
 * Puts a tenant's rows of control schemas into the other cluster in one transaction of each; what an earlier attempt brought
 * goes first.
 *
 * @param state of this run, which has claimed what arrives; without one it is a rehearsal, undone at the end, so that what the other
 *   cluster refuses is known before anything is closed
 * @returns a fingerprint of what was read
 */
export async function carry(
  route: Route,
  signal: AbortSignal | undefined,
  state?: MoveState,
): Promise<Fingerprint> {
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
          if (state) await requireOurHands(here, there, route, state)
          const pairs = await pairUp(here, there, route)
          for (const pair of pairs.toReversed()) await remove(there, pair.target, tenant)
          // What was never installed has nothing to prepare.
          const owners = [...new Set(pairs.map(({ owner }) => owner))]
          for (const one of owners) await one.prepare?.(control(there), tenant, control(here))
          for (const pair of pairs) await copyTable(here, there, pair, tenant, state === undefined)
          for (const one of owners) await one.arrive?.(control(there), tenant)
          const print = await fingerprint(here, route)
          await there.run(state ? 'commit' : 'rollback')
          return print
        },
        signal,
      ),
    signal,
  )
}

/** guard: who went on when others had finished would remove what is there, and find nothing to put in its place */
async function requireOurHands(here: Admin, there: Admin, route: Route, state: MoveState): Promise<void> {
  const { from, tenant, to } = route
  const { registry } = to.lifecycle
  await requireOurs(here, from, tenant, state)
  const record = await recordOf(there, registry, tenant)
  await requireArriving(there, registry, tenant, String(state.run), record?.status)
}

async function copyTable(
  here: AdminClient,
  there: AdminClient,
  { source, target, columns }: Pair,
  tenant: string,
  rehearsal: boolean,
): Promise<void> {
  // A trigger of a table before this one may have made rows in it.
  await remove(there, target, tenant)
  const list = columns.map(quoteIdentifier).join(', ')
  const values = columns.map((name) => source.read?.[name] ?? `t.${quoteIdentifier(name)}`).join(', ')
  // Many rows of one kind prove no more than none.
  const some = rehearsal && source.appended ? ' and false' : ''
  const into = await copyIn(there, `copy ${nameOf(target)} (${list}) from stdin`)
  try {
    await copyOut(
      here,
      `copy (select ${values} from ${nameOf(source)} t where t.${quoteIdentifier(source.tenant)} = ${quoteLiteral(tenant)}${some}) to stdout`,
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

/**
 * Removes what has gone, where it has gone from, and nothing else: what was written here since is kept, and with it all of the
 * same package.
 *
 * @param print of what was carried over
 * @returns the names of what is kept
 */
export async function leaveBehind(
  admin: Admin,
  { from, tenant }: Route,
  print: Fingerprint,
): Promise<readonly string[]> {
  const kept: string[] = []
  for (const one of belongingsOf(from.lifecycle).toReversed()) {
    const tables = await existing(admin, one.tables)
    for (const table of tables) await admin.run(`lock table ${nameOf(table)} in share row exclusive mode`)
    let same = true
    for (const table of tables) same &&= (await printOf(admin, table, tenant)) === print[nameOf(table)]
    if (!same) kept.push(one.name)
    else for (const table of tables.toReversed()) await remove(admin, table, tenant)
  }
  return kept
}

/** Nobody writes into these tables until the transaction ends. @throws TenancyError TIMEOUT */
export async function holdStill(admin: Admin, { lifecycle }: Route['from']): Promise<void> {
  const all = belongingsOf(lifecycle).flatMap(({ tables }) => tables)
  for (const table of await existing(admin, all))
    if (!table.appended) await admin.run(`lock table ${nameOf(table)} in share mode`)
}

/** By table; changes when a row of the tenant does. */
export type Fingerprint = Readonly<Record<string, string>>

export async function fingerprint(admin: Admin, { from, tenant }: Route): Promise<Fingerprint> {
  const prints: Record<string, string> = {}
  const all = belongingsOf(from.lifecycle).flatMap(({ tables }) => tables)
  for (const table of await existing(admin, all)) prints[nameOf(table)] = await printOf(admin, table, tenant)
  return prints
}

async function printOf(admin: Admin, table: TenantTable, tenant: string): Promise<string> {
  const content = table.appended ? `''` : 'coalesce(sum(hashtextextended(t::text, 0)), 0)'
  const [row] = await admin.run(
    `select count(*) || ':' || ${content} as print from ${nameOf(table)} t where t.${quoteIdentifier(table.tenant)} = $1`,
    [tenant],
  )
  return String(row?.print)
}

/** What was never installed has no rows. */
async function existing(admin: Admin, tables: readonly TenantTable[]): Promise<readonly TenantTable[]> {
  const found: TenantTable[] = []
  for (const table of tables) if ((await columnsOf(admin, table)).length > 0) found.push(table)
  return found
}
