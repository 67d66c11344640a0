import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { columnList } from '../catalog.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import { unreadable } from '../format/format.ts'
import type { ArchivedSequence, ArchivedTable } from '../format/manifest.ts'
import type { ArchiveEnd, OpenArchive } from '../format/reader.ts'
import type { Place } from '../place.ts'
import { forApplication, namesApplication } from '../structure/application.ts'
import { requireSame } from '../structure/compare.ts'
import { readStructure, usualDefaultPrivileges } from '../structure/read.ts'
import { fromHere, toHere } from '../structure/rename.ts'
import { PHASE, type StructureStatement } from '../structure/statement.ts'
import { rehash } from './hashed.ts'
import { loadData } from './load.ts'
import { readLoadable } from './loadable.ts'
import { make } from './make.ts'
import type { Privileges } from './restoring.ts'
import { setRolesOfFunctions } from './role-settings.ts'
import { type Staged, stage, unstage } from './stage.ts'
import { verifyComputed, verifyData } from './verify.ts'

/**
 * Makes what an archive holds in a schema with nothing in it: tables, rows, then everything else, and compares rows and
 * structure with what the archive says. Statements of the archive are whoever wrote it's: they run in the tenant's room.
 * Rows come in by COPY, in the administrator's session, where the catalogue says that nothing runs then; elsewhere by way
 * of a table without anything.
 *
 * @throws TenancyError CONFLICT when what is there then differs; INTERNAL_ERROR when rows do
 */
export async function build(
  home: AdminClient,
  place: Place,
  archive: OpenArchive,
  {
    verify,
    privileges,
    comparePrivileges,
    application,
  }: Privileges & { readonly verify: 'full' | 'archive' },
): Promise<ArchiveEnd> {
  const { manifest } = archive
  const statements = manifest.structure ?? []
  const wanted = statements.filter(
    ({ phase }) => privileges || phase < PHASE.privilege || phase >= PHASE.refresh,
  )
  const made = wanted.map((one) => forApplication(fromHere(one, place.schema), application))
  const border = made.findLastIndex(({ phase }) => phase < PHASE.data) + 1
  if (made.some(({ sql }) => sql.startsWith('create unlogged '))) home.noteUnlogged()
  await make(home, place, await usualDefaultPrivileges(home, place))
  await make(home, place, made.slice(0, border))
  const end = await load(home, place, archive)
  if (verify === 'full') {
    await verifyData(home, place, manifest.tables, end.summary.tables)
    await verifyComputed(home, place, manifest.tables, end.summary.tables)
  }
  const { before, behind } = await rehash(home, place, manifest.tables)
  const attached = made.findLastIndex(({ phase }) => phase === PHASE.attach) + 1
  const rest = [
    ...before,
    ...made.slice(border, attached),
    ...behind,
    ...made.slice(Math.max(border, attached)),
  ]
  const of = (kind: (made: StructureStatement) => boolean) => rest.filter(kind)
  await make(
    home,
    place,
    of((one) => !isPrivilege(one) && !isRole(one)),
    made,
  )
  await setSequences(home, place, end.summary.sequences)
  // Last: an owner may have taken rights from itself.
  await make(home, place, of(isPrivilege), made)
  await setRolesOfFunctions(home, place, of(isRole))
  const [version] = await home.run(`select current_setting('server_version_num')::int / 10000 as major`)
  const user = namesApplication(statements) ? application : ''
  const now = await readStructure(home, place, user, manifest.calls === true)
  const words = version?.major === Math.floor(manifest.serverVersion / 10_000)
  const found = now.statements.map((statement) => toHere(statement, place.schema))
  requireSame(statements, found, { words, privileges: comparePrivileges })
  return end
}

const isRole = ({ phase }: StructureStatement) => phase === PHASE.roleSetting
const isPrivilege = ({ phase }: StructureStatement) => phase >= PHASE.privilege && phase < PHASE.refresh

async function load(home: AdminClient, place: Place, archive: OpenArchive): Promise<ArchiveEnd> {
  const { schema, tables } = archive.manifest
  const elsewhere = archive.qualified && schema !== place.schema ? schema : undefined
  const there = await readLoadable(home, place)
  const staged: Staged[] = []
  const into: (string | undefined)[] = []
  for (const table of tables) {
    const loadable = there.get(table.name)
    if (!loadable || !fits(table, loadable.columns)) throw unreadable('damaged')
    if (table.partitioned) into.push(undefined)
    // guard: a value that names an object of the tenant names none of the tenant that the archive is of
    else if (loadable.bare && !(elsewhere !== undefined && loadable.columns.some(({ names }) => names)))
      into.push(`${qualify(place.schema, table.name)}${columnList(table)}`)
    else {
      const waiting = await stage(home, place, table, loadable, elsewhere)
      staged.push(waiting)
      into.push(`${waiting.name}${columnList(table)}`)
    }
  }
  const role = place.owner === undefined ? 'none' : quoteIdentifier(place.owner)
  await home.run(`set local role ${role}; set local search_path to ${place.searchPath}`)
  const end = await loadData(home, archive, into)
  await home.run('set local role none')
  await pinSettings(home)
  await unstage(home, place, staged, new Map(end.summary.tables.map((table) => [table.name, table])))
  return end
}

/** All of its columns, or a default would run. */
function fits({ columns }: ArchivedTable, there: readonly { readonly name: string }[]): boolean {
  const names = new Set(columns.map(({ name }) => name))
  return names.size === there.length && there.every(({ name }) => names.has(name))
}

export async function setSequences(
  home: AdminClient,
  { owner, schema }: Place,
  sequences: readonly ArchivedSequence[],
): Promise<void> {
  if (owner !== undefined) await home.run(`set local role ${quoteIdentifier(owner)}`)
  for (const { name, lastValue, isCalled } of sequences) {
    await home.run('select setval($1::regclass, $2::bigint, $3)', [
      qualify(schema, name),
      lastValue,
      isCalled,
    ])
  }
  await home.run('set local role none')
}
