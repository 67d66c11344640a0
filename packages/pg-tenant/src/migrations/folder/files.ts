import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Entry, entriesOf, refused } from './entries.ts'
import { byNumber, byVersion } from './order.ts'

/** A file to apply, under the id it is recorded by. */
export interface MigrationFile {
  readonly id: string
  readonly name: string
  /** Where it is Flyway's. */
  readonly version?: readonly string[]
}

export const SQL = /\.sql$/i
export const CODE = /(?<!\.d)\.(?:[cm]?[jt]s|py|rb|go|java|kt|xml|ya?ml)$/i
/** Code that stands in the order of migrations: a number, a timestamp or a version in front. */
export const NUMBERED = /^(?:V?\d)/
const PAIR = /^(.*)([._-])(up|down|undo|rollback|revert)\.sql$/i
/** Postgrator: `001.do.notes.sql` and `001.undo.notes.sql`, which go together by their number alone. */
const BY_ACTION = /^(\d+)\.(do|undo)(?:\..*)?\.sql$/i
/** SQL that is not read, for its name or because a tool has to unpack it or fill it in. */
const OTHER_SQL =
  /\.(?:[pd]?sql|pgsql|ddl|sql\.(?:gz|bz2|xz|zst|zip|erb|ejs|tmpl|tpl|j2|jinja2?|[a-z0-9]{0,8}sql[a-z0-9]{0,8}|postgres|cockroach|crdb))$/i
/** A file for one database among several, by its name: `1_notes.mysql.up.sql`, `1_notes_oracle.sql`. */
const OF_DATABASE =
  /^(.*)[._-](mysql|mariadb|sqlite3?|cockroach(?:db)?|crdb|mssql|sqlserver|oracle|h2|db2)([._-](?:up|down|do|undo))?\.sql$/i
const OF_POSTGRES = /[._-](?:postgres(?:ql)?|pg)(?=(?:[._-](?:up|down|do|undo))?\.sql$)/i
/** Flyway: V versioned, U undo, B baseline, R repeatable; its prefixes can be set, to lower case too. */
const FLYWAY = /^([VUB])(\d+(?:[._]\d+)*)__(.+)\.sql$/i
const FLYWAY_REPEATABLE = /^R__.+\.sql$/i
/** Flyway: how one migration is run, beside it. */
const FLYWAY_SETTINGS = /\.sql\.conf$/i

/**
 * The files of a folder that apply migrations, in their order. Files that take migrations back are left out.
 *
 * @throws TenancyError INVALID_OPTION when there are none, or some that would be left out without anybody noticing
 */
export async function migrationFiles(folder: string): Promise<MigrationFile[]> {
  const entries = (await entriesOf(folder)).filter(({ name }) => !name.startsWith('.'))
  refuseCode(entries)
  const unread = entries.find(
    ({ isFile, name }) => isFile && NUMBERED.test(name) && OTHER_SQL.test(name) && !SQL.test(name),
  )
  if (unread) throw refused(`${unread.name} would be left out: only files whose names end in .sql are read.`)
  const settings = entries.find(({ name }) => FLYWAY_SETTINGS.test(name))
  if (settings)
    throw refused(
      `${settings.name} is read by Flyway only. For a file without a transaction write "-- pg-tenant: no-transaction" into its first line.`,
    )
  await refuseSubfolders(folder, entries)
  const names = entries.filter(({ isFile, name }) => isFile && SQL.test(name)).map(({ name }) => name)
  if (names.length === 0) throw refused('There is no .sql file in this folder, or no such folder.')
  refuseOtherDatabases(names)
  const ofFlyway = flyway(names)
  if (ofFlyway) return ofFlyway
  const applied = withoutDown(names)
  refuseTwice(applied)
  return numbered(applied)
}

/** The last word of a name may be about another database; the file is for it where the same one is there for ours, or for a third. */
function refuseOtherDatabases(names: readonly string[]): void {
  const there = new Set(names.map(forAll))
  const ofOthers = names.flatMap((name) => {
    const [, base, , way = ''] = OF_DATABASE.exec(name) ?? []
    return base === undefined ? [] : [{ name, base: `${base}${way}.sql`.toLowerCase() }]
  })
  const other = ofOthers.find(
    ({ name, base }) => there.has(base) || ofOthers.some((one) => one.name !== name && one.base === base),
  )
  if (other)
    throw refused(
      `${other.name} is for another database by its name. Put the files for PostgreSQL into a folder of their own.`,
    )
}

/** The name of a file without the word that it is for PostgreSQL, as the one for every database has it. */
const forAll = (name: string): string => name.replace(OF_POSTGRES, '').toLowerCase()

/** Pop (Ory): `1_notes.postgres.up.sql` takes the place of `1_notes.up.sql` or `1_notes.sql`, which is for all others. */
function refuseTwice(names: readonly string[]): void {
  // Behind another sign it may be the last word of what the file does.
  const isOurs = (name: string) => name[name.search(OF_POSTGRES)] === '.'
  const idFor = (name: string) => idOf(isOurs(name) ? forAll(name) : name).toLowerCase()
  for (const name of names.filter(isOurs)) {
    const other = names.find((one) => one !== name && idFor(one) === idFor(name))
    if (other !== undefined)
      throw refused(
        `${name} and ${other} are one migration where the database is PostgreSQL. Leave out the one that is not for it.`,
      )
  }
}

function numbered(names: readonly string[]): MigrationFile[] {
  return [...names].sort((a, b) => byNumber(idOf(a), idOf(b))).map((name) => ({ id: idOf(name), name }))
}

function idOf(name: string): string {
  const pair = PAIR.exec(name)
  return pair?.[2] === '.' && pair[3]?.toLowerCase() === 'up' ? (pair[1] as string) : name.replace(SQL, '')
}

/**
 * `0001_notes.up.sql` or `0001_notes.sql` beside `0001_notes.down.sql` (golang-migrate, sqlx, Bun), also with `-` or `_` (db-migrate),
 * `.undo` (Postgrator) or `.rollback` (yoyo).
 */
function withoutDown(names: readonly string[]): string[] {
  const there = new Set(names.map(forAll))
  const numbersOf = (wanted: string, some: readonly string[]) =>
    some.flatMap((name) => {
      const [, number, action] = BY_ACTION.exec(name) ?? []
      return action?.toLowerCase() === wanted ? [Number(number)] : []
    })
  const done = numbersOf('do', names)
  return names.filter((name) => {
    const [undone] = numbersOf('undo', [name])
    if (undone !== undefined && done.includes(undone)) return false
    if (undone !== undefined && done.length > 0) throw alone(name)
    const [, base = '', separator = '', way = 'up'] = PAIR.exec(name) ?? []
    if (way.toLowerCase() === 'up') return true
    const ups = [`${base}${separator}up.sql`, `${base}${separator}do.sql`, `${base}.sql`]
    if (ups.some((up) => there.has(forAll(up)))) return false
    if (separator !== '.') return true
    throw alone(name)
  })
}

const alone = (name: string) =>
  refused(`${name} takes a migration back, but the file that applies it is not there.`)

function flyway(names: readonly string[]): MigrationFile[] | undefined {
  const found = names.map((name) => ({ name, parts: FLYWAY.exec(name) }))
  const kindOf = (parts: RegExpExecArray | null) => parts?.[1]?.toUpperCase()
  if (!found.some(({ parts }) => kindOf(parts) === 'V')) return undefined
  const other = found.find(({ name, parts }) => !parts && !FLYWAY_REPEATABLE.test(name))
  // In lower case these may be names like any others.
  if (other && !names.some((name) => name.startsWith('V'))) return undefined
  if (other) throw refused(`${other.name} is not named as the others are (Flyway: V1__name.sql).`)
  const repeatable = names.find((name) => FLYWAY_REPEATABLE.test(name))
  if (repeatable)
    throw refused(
      `${repeatable} is a repeatable migration of Flyway, which runs by rules of its own. Number it (V…__).`,
    )
  const baseline = found.find(({ parts }) => kindOf(parts) === 'B')?.name
  if (baseline)
    throw refused(
      `${baseline} is a baseline of Flyway, the sum of those before it. Leave it out where they are here, else number it (V…__).`,
    )
  const versioned = found.flatMap(({ name, parts }) =>
    parts && kindOf(parts) === 'V'
      ? [{ id: idOf(name), name, version: (parts[2] as string).split(/[._]/) }]
      : [],
  )
  versioned.sort((a, b) => byVersion(a.version, b.version))
  for (const [at, { name, version }] of versioned.entries()) {
    const before = versioned[at - 1]
    if (before && byVersion(before.version, version) === 0)
      throw refused(`${before.name} and ${name} have the same version.`)
  }
  return versioned
}

function refuseCode(entries: readonly Entry[]): void {
  const code = entries.find(({ isFile, name }) => isFile && CODE.test(name) && NUMBERED.test(name))
  if (!code) return
  throw refused(
    `${code.name} is code of a migration tool (Knex, TypeORM, Sequelize, …), which is not run here. Let the tool write ` +
      'its SQL, or hand the migrations over as an array of { id, sql }.',
  )
}

async function refuseSubfolders(folder: string, entries: readonly Entry[]): Promise<void> {
  for (const { name } of entries.filter(({ isDirectory }) => isDirectory)) {
    const inside = await readdir(join(folder, name))
    const sql = inside.find((one) => SQL.test(one))
    if (sql)
      throw refused(
        `${name}/${sql} is in a subfolder, which is not read. Put all migrations into one folder.`,
      )
  }
}
