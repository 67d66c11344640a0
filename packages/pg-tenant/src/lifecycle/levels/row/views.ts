import { SQLSTATE } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import type { Naming } from '../../../isolation/names.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { dropRole, roleExists } from '../../tenant-role.ts'
import { inCatalogue } from './tables.ts'
import { type ViewPlace, viewRolesOf } from './view-place.ts'
import { readViews, standingOf } from './views-read.ts'

/**
 * The schema of views and its two roles. The caller holds {@link lockSharedSchema}; the views themselves come behind the
 * policies ({@link ensureViews}).
 */
export async function ensureViewRoles(admin: Admin, row: RowPlace, views: ViewPlace): Promise<void> {
  const [owner, readers, schema] = [views.owner, views.readers, views.schema].map(quoteIdentifier)
  for (const role of [views.owner, views.readers]) {
    if (!(await roleExists(admin, role)))
      await admin.run(`create role ${quoteIdentifier(role)} nologin noinherit`)
  }
  await admin.run(`grant usage on schema ${quoteIdentifier(row.schema)} to ${owner}`)
  await asMember(admin, views.owner, async () => {
    await admin.run(`create schema if not exists ${schema} authorization ${owner}`)
    // Whoever owns the schema says who may use it.
    await admin.run(`set local role ${owner};
      revoke all on schema ${schema} from public; grant usage on schema ${schema} to ${readers};
      set local role none`)
  })
  const [may] = await admin.run(
    `select current_database() as database, has_database_privilege($1, current_database(), 'connect') as connect`,
    [views.readers],
  )
  if (may?.connect) return
  // Where only the database's owner may say who connects, this is not for us to give.
  const database = quoteIdentifier(String(may?.database))
  await admin.attempt(
    [SQLSTATE.INSUFFICIENT_PRIVILEGE],
    `grant connect on database ${database} to ${readers}`,
  )
}

/** Makes each view that is not there as it should be, and only those, so that nothing is locked when all is well. */
export async function ensureViews(admin: Admin, row: RowPlace, views: ViewPlace): Promise<void> {
  const all = await readViews(admin, row, views)
  const wrong = all.filter((view) => standingOf(view, row, views) !== 'right')
  if (wrong.length === 0) return
  await asOwner(admin, views, () =>
    inCatalogue(admin, async () => {
      const old = wrong.filter(({ kind, owned }) => kind === 'v' && owned).map(({ name }) => name)
      await dropAll(admin, views, old)
      for (const { name, wanted } of wrong) {
        if (wanted) await admin.run(createView(name, wanted, row, views))
      }
    }),
  )
}

/**
 * Takes the views out of the way of a migration, which could not drop or change a column they show. In the transaction
 * that makes them again: nobody sees them missing.
 */
export async function dropViews(admin: Admin, row: RowPlace, views: ViewPlace): Promise<void> {
  const all = await readViews(admin, row, views)
  const old = all.filter(({ kind, owned }) => kind === 'v' && owned).map(({ name }) => name)
  await asOwner(admin, views, () => dropAll(admin, views, old))
}

/** With what hangs on them: a reader's temporary view must not hold up a migration. */
async function dropAll(admin: Admin, { schema }: ViewPlace, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await admin.run(`drop view ${names.map((name) => qualify(schema, name)).join(', ')} cascade`)
}

function createView(
  name: string,
  columns: readonly string[],
  row: RowPlace,
  { schema, readers, reader }: ViewPlace,
): string {
  const view = qualify(schema, name)
  const rows = row.referenceTables.includes(name)
    ? ''
    : ` where ${quoteIdentifier(row.tenantColumn)} = (select ${reader})`
  return `create view ${view} with (security_barrier = true) as
      select ${columns.map(quoteIdentifier).join(', ')} from ${qualify(row.schema, name)}${rows};
    revoke all on ${view} from public; grant select on ${view} to ${quoteIdentifier(readers)}`
}

/** Takes views, policies and both roles away where the tenancy has no views any more. */
export async function removeViews(admin: Admin, { rolePrefix }: Naming, row: RowPlace): Promise<void> {
  const { owner, readers } = await viewRolesOf(admin, rolePrefix, row.schema)
  if (!(await roleExists(admin, owner))) return
  await asMember(admin, owner, () => dropRole(admin, owner))
  const member = quoteIdentifier(readers)
  const [server] = await admin.run('select current_database() as database')
  await admin.attempt(
    [SQLSTATE.INSUFFICIENT_PRIVILEGE],
    `revoke connect on database ${quoteIdentifier(String(server?.database))} from ${member}`,
  )
  if (await roleExists(admin, readers)) await admin.attempt(['2BP01'], `drop role ${member}`)
}

/** Runs `fn` as the views' owner. */
function asOwner(admin: Admin, { owner }: ViewPlace, fn: () => Promise<void>): Promise<void> {
  return asMember(admin, owner, async () => {
    await admin.run(`set local role ${quoteIdentifier(owner)}`)
    await fn()
    await admin.run('set local role none')
  })
}

/**
 * Makes the administrator a member of the owner only for as long as `fn` runs. Before PostgreSQL 16 a member inherits, and
 * the owner's policies would hide from the administrator the rows it is to drop or to back up.
 */
async function asMember(admin: Admin, owner: string, fn: () => Promise<void>): Promise<void> {
  const [me] = await admin.run(
    `select rolsuper as superuser, quote_ident(rolname) as name,
       current_setting('server_version_num')::int >= 160000 as sixteen from pg_roles where rolname = current_user`,
  )
  if (me?.superuser) return await fn()
  const role = quoteIdentifier(owner)
  await admin.run(`grant ${role} to ${me?.name}${me?.sixteen ? ' with inherit false, set true' : ''}`)
  await fn()
  if (await roleExists(admin, owner)) await admin.run(`revoke ${role} from ${me?.name}`)
}
