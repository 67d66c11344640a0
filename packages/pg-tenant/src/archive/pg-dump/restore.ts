import { createReadStream } from 'node:fs'
import { TenancyError } from '@org/core'
import { LEDGER_TABLE } from '../../lifecycle/apply-migrations.ts'
import { furnishSchema } from '../../lifecycle/levels/in-schema.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { lockTenant, standingOf } from '../../lifecycle/lifecycle.ts'
import { prepare } from '../../lifecycle/prepare.ts'
import { setUsage } from '../../lifecycle/tenant-schema.ts'
import { onTenant } from '../../lifecycle/work.ts'
import { pending } from '../../migrations/migrations.ts'
import { recordOf, register, registered } from '../../registry/registry.ts'
import { qualify } from '../../sql/identifier.ts'
import { readTables } from '../catalog.ts'
import { type AdminClient, begin, withAdminClient } from '../client.ts'
import { actAsOwner } from '../place.ts'
import type { RestoreOptions, RestoreResult } from '../restore/options.ts'
import type { Restored, Restoring } from '../restore/restoring.ts'
import { inStages, leaveNote, noteOf, undo } from '../restore/staged.ts'
import { closeMarker, conflict, refuseDeleting } from '../restore/vacancy.ts'
import { environmentOf, requireProgram } from './connection.ts'
import { countRows } from './dump.ts'
import { type DumpManifest, readDumpManifest } from './manifest.ts'
import { type ProgramOptions, runProgram } from './program.ts'

/** A file of `pg_dump` on its way. */
interface Dump {
  readonly path: string
  readonly manifest: DumpManifest
  readonly restoring: Restoring
  readonly options: ProgramOptions
}

/**
 * Restores a file of `pg_dump` into a tenant that is not there, under its own key: role, schema, marker and privileges are
 * made as provisioning makes them, everything else comes from the file in one transaction of `pg_restore`. While that
 * runs no scope gets in. Cut off, it is run again: what it had made says which file it is of.
 */
export async function restoreDump(
  path: string,
  options: RestoreOptions,
  restoringWith: (application: string, own: boolean) => Restoring,
): Promise<RestoreResult> {
  const manifest = await readDumpManifest(path)
  const first = restoringWith('', true)
  requireFitting(first, manifest)
  await requireProgram('pg_restore', options.programs, manifest.programVersion, 'file')
  const restoring = { ...first, application: await prepare(first.lifecycle) }
  const dump: Dump = { path, manifest, restoring, options }
  const restored = await (first.lifecycle.ofLevel.staged
    ? inStages(restoring, (home, work, _, commit) => fillHome(home, work, commit, dump))
    : restoreInSchema(dump))
  const { createdAt, tables, tenant: source } = manifest
  return { tenant: first.tenant, source, createdAt, tables: tables.length, ...restored }
}

/** Before any SQL. */
function requireFitting({ lifecycle, place, replace, tenant }: Restoring, manifest: DumpManifest): void {
  if (place.tenantColumn !== undefined || manifest.tenant !== tenant || manifest.schema !== place.schema)
    throw conflict(tenant, OTHER_KEY, 'key')
  if (replace) throw conflict(tenant, NEVER_REPLACES, 'exists')
  pending(lifecycle.migrations, new Map(manifest.migrations.map(({ id, checksum }) => [id, checksum])))
}

/** Where the tenant's schema is in the database of the registry: one connection for both, in two transactions. */
async function restoreInSchema(dump: Dump): Promise<Restored> {
  const { restoring } = dump
  const { lifecycle, place, reuse, signal, tenant } = restoring
  const { level, ofLevel, registry } = lifecycle
  const { application } = restoring
  let made: { readonly before: string | undefined } | undefined
  const restore = async (admin: AdminClient): Promise<Restored> => {
    await begin(admin, 'read committed read write')
    await lockTenant(admin, place.lockName)
    await refuseDeleting(admin, lifecycle, tenant)
    const before = (await recordOf(admin, registry, tenant))?.status
    const status = await register(admin, registry, tenant, level, { reuse })
    const work: TenantWork = { lifecycle, tenant, admin, session: undefined, application, status }
    await standingFor(admin, work, dump)
    await ofLevel.ensureRoles(work)
    await ofLevel.furnish({ ...work, lifecycle: { ...lifecycle, migrations: [] } })
    await leaveNote(admin, place.schema, dump.manifest.sha256)
    await admin.run('commit')
    made = { before }
    await begin(admin, 'read committed read write')
    await lockTenant(admin, place.lockName)
    const restored = await fillSchema(admin, dump)
    const { migrations } = await ofLevel.furnish(work)
    await registered(admin, registry, tenant, lifecycle.migrations.at(-1)?.id)
    await admin.run('commit')
    return { ...restored, migrations }
  }
  try {
    return await withAdminClient(lifecycle.adminPool, restore, signal)
  } catch (error) {
    const { before } = made ?? {}
    if (made) await onTenant(lifecycle, tenant, (stage) => undo(restoring, stage, before)).catch(() => {})
    throw error
  }
}

/** In the tenant's own database, in two transactions of it. */
async function fillHome(
  home: AdminClient,
  work: TenantWork,
  commit: () => Promise<void>,
  dump: Dump,
): Promise<Restored> {
  const { lifecycle, place } = dump.restoring
  const role = String(place.owner)
  await begin(home, 'read committed read write')
  const standing = await standingFor(home, work, dump)
  // An earlier run came as far as its last COMMIT here: what is there may have changed since, and is the tenant's.
  if (standing === 'whole') return resultOf(dump)
  if (standing === 'nothing') {
    await furnishSchema({ ...work, lifecycle: { ...lifecycle, migrations: [] } }, home, role, role)
  }
  await leaveNote(home, place.schema, dump.manifest.sha256)
  await home.run('commit')
  await begin(home, 'read committed read write')
  const restored = await fillSchema(home, dump)
  const { migrations } = await furnishSchema(work, home, role, role)
  if (work.status === 'suspended') await setUsage(home, place.schema, role, false)
  await commit()
  return { ...restored, migrations }
}

/**
 * What there is of the tenant: nothing, or what a restore of this very file that was cut off has made; `whole` when its
 * ledger is written, which is done last.
 *
 * @throws TenancyError CONFLICT when there is a tenant
 */
async function standingFor(
  home: AdminClient,
  work: TenantWork,
  { manifest, restoring }: Dump,
): Promise<'nothing' | 'begun' | 'whole'> {
  const { lifecycle, place, tenant } = restoring
  if ((await standingOf(home, lifecycle.naming, tenant)) === 'nothing') return 'nothing'
  if (work.status !== 'provisioning') throw conflict(tenant, NEVER_REPLACES, 'exists')
  const note = await noteOf(home, place.schema)
  // Without a note it was made a moment ago: a schema with nothing in it.
  const bare = note === undefined && (await readTables(home, place)).length === 0
  if (!bare && note !== manifest.sha256) throw conflict(tenant, NEVER_REPLACES, 'exists')
  const [ledger] = await home.run(
    `select exists (select from ${qualify(place.schema, LEDGER_TABLE)}) as written`,
  )
  return ledger?.written === true ? 'whole' : 'begun'
}

const resultOf = ({ manifest: { rows, sha256 } }: Dump): Restored => ({ rows, sha256, migrations: [] })

/** The file's content, while nobody gets in; behind it the tenant is as it was, with the migrations it had. */
async function fillSchema(home: AdminClient, dump: Dump): Promise<Restored> {
  const { manifest, restoring } = dump
  const { place, tenant } = restoring
  await closeMarker(home, place)
  if ((await readTables(home, place)).length === 0) await pgRestore(home, dump)
  await actAsOwner(home, place)
  const found = new Map<string, number>()
  for (const { name, partitioned } of await readTables(home, place)) {
    found.set(name, partitioned ? 0 : await countRows(home, qualify(place.schema, name)))
  }
  await home.run('set local role none; set local search_path to default')
  const wrong = manifest.tables.find(({ name, rows }) => found.get(name) !== rows)
  if (wrong || found.size !== manifest.tables.length) throw different(tenant, wrong?.name ?? null)
  await home.run(
    `insert into ${qualify(place.schema, LEDGER_TABLE)} (id, checksum, applied_at)
     select * from unnest($1::text[], $2::text[], $3::timestamptz[]) on conflict (id) do nothing`,
    [
      manifest.migrations.map(({ id }) => id),
      manifest.migrations.map(({ checksum }) => checksum),
      manifest.migrations.map(({ appliedAt }) => appliedAt),
    ],
  )
  return resultOf(dump)
}

async function pgRestore(home: AdminClient, { options, path, restoring }: Dump): Promise<void> {
  const { place, signal } = restoring
  const environment = await environmentOf(home)
  await runProgram({
    program: 'pg_restore',
    ...options,
    environment,
    signal,
    // Through a pipe: should this process be killed, the program finds the end of its input and rolls back.
    input: createReadStream(path),
    args: [
      '--format=custom',
      '--no-password',
      '--single-transaction',
      '--exit-on-error',
      '--no-owner',
      '--no-privileges',
      `--schema=${place.schema}`,
      ...(place.owner === undefined ? [] : [`--role=${place.owner}`]),
      `--dbname=${environment.PGDATABASE}`,
    ],
  })
}

const OTHER_KEY =
  "A file of pg_dump has the names of its tenant's schema in it: it can only become that tenant again, in a schema of its " +
  "own. For another key or level make backups with format: 'archive'. Nothing was changed."
const NEVER_REPLACES =
  'There is a tenant of that key. A file of pg_dump is restored only where there is none: drop or off-board the tenant first. ' +
  'Nothing was changed.'

function different(tenant: string, table: string | null): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'What is there now is not what the manifest of the file says. Its tenant was not put into service; drop(key) removes it.',
    { details: { tenant, table, reason: 'different' } },
  )
}
