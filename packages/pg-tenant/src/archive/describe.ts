import type { Admin } from '../admin/transaction.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify, quoteLiteral } from '../sql/identifier.ts'
import { readNames, readTables } from './catalog.ts'
import { begin, pinSettings } from './client.ts'
import type { ArchiveManifest } from './format/manifest.ts'
import { namedLargeObjects } from './large-objects.ts'
import { holdMarker, openForOwner, type Place } from './place.ts'
import { readStructure } from './structure/read.ts'
import { toHere } from './structure/rename.ts'
import type { Found, Visit } from './visit.ts'

/** Begins the transaction that sees one instant. What is dropped or provisioned before we have the marker is seen. */
export async function beginReading({ home, closed }: Found, place: Place, snapshot?: string): Promise<void> {
  // What policies hide is uncovered, and a room is made, in savepoints that are rolled back.
  await begin(home, `repeatable read ${place.tenantColumn === undefined ? 'read write' : 'read only'}`)
  if (snapshot !== undefined) await home.run(`set transaction snapshot ${quoteLiteral(snapshot)}`)
  await holdMarker(home, place)
  await pinSettings(home)
  if (closed) await openForOwner(home, place)
}

const FACTS = `select current_setting('server_version_num')::int as "serverVersion",
  pg_current_snapshot()::text as snapshot, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"`

/** What an archive says of itself; `unmade` are relations that it does not hold. */
export async function describe(
  found: Found,
  visit: Visit,
): Promise<{ readonly manifest: ArchiveManifest; readonly unmade: ReadonlySet<string> }> {
  const { application, home, books } = found
  const { lifecycle, place, tenant } = visit
  const { level, naming } = lifecycle
  // Rolled back, because what deparses definitions locks tables, and who reads them after this may be another session.
  await home.run('savepoint described')
  const [facts] = await home.run(FACTS)
  const migrations = await readLedger(place.tenantColumn === undefined ? home : books, lifecycle, place)
  const user = applicationIn(level, application)
  const own = place.tenantColumn === undefined ? await readStructure(home, place, user) : undefined
  const structure = own?.statements.map((made) => toHere(made, place.schema))
  const unmade = own?.unmade ?? new Set<string>()
  const skipped = [...(own?.skipped ?? []), ...(await namedLargeObjects(found, visit))]
  const isMade = (name: string) => !unmade.has(name)
  const tables = (await readTables(home, place)).filter(({ name }) => isMade(name))
  const materializedViews = (await readNames(home, place, 'm')).filter(isMade)
  await home.run('rollback to savepoint described; release savepoint described')
  const manifest: ArchiveManifest = {
    format: 'pg-tenant-archive',
    tenant,
    schema: place.schema,
    prefix: naming.schemaPrefix,
    isolation: level,
    ...(facts as Pick<ArchiveManifest, 'serverVersion' | 'snapshot' | 'createdAt'>),
    migrations,
    tables,
    materializedViews,
    skipped,
    ...(structure && { structure, calls: true }),
  }
  return { manifest, unmade }
}

/** The role scopes run as, where that is the application's; else nobody. */
export const applicationIn = (level: IsolationLevel, application: string): string =>
  traitsOf(level).ownRole ? '' : application

/** The migrations the tenant has, oldest first; at level `row` those of the schema that all share. */
async function readLedger(
  admin: Admin,
  { registry }: Lifecycle,
  { schema, tenantColumn }: Place,
): Promise<ArchiveManifest['migrations']> {
  const columns = `id, checksum, to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "appliedAt"`
  const order = 'order by applied_at, id collate "C"'
  if (tenantColumn === undefined)
    return await admin.run(`select ${columns} from ${qualify(schema, LEDGER_TABLE)} ${order}`)
  const ledger = qualify(registry.controlSchema, ROW_LEDGER)
  return await admin.run(`select ${columns} from ${ledger} where prefix = $1 ${order}`, [registry.prefix])
}

/** Made by lifecycle/row/migrations.ts. */
const ROW_LEDGER = 'row_migration'
