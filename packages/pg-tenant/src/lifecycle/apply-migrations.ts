import { TenancyError, type TenantKey } from '@org/core'
import { runInRoom } from '../admin/in-room.ts'
import { ESCAPED } from '../admin/room-left.ts'
import { FOREIGN_CODE, type Room } from '../admin/tenant-room.ts'
import { type Admin, fromStatement } from '../admin/transaction.ts'
import { isServerError, type ServerError, withDriverError } from '../errors/server-error.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { filesOf } from '../migrations/enum-values.ts'
import { requireClean } from '../migrations/lint.ts'
import { pending } from '../migrations/migrations.ts'
import { inTransaction, readScripts, type Script, textInRoom, untilCommit } from '../migrations/script.ts'
import { type AppliedMigration, recordMigrations } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Which migrations a tenant has: kept in its own schema, so that it travels with it; and in the registry. */
export const LEDGER_TABLE = '_tenant_migration'

/** What was applied, and whether another transaction has to go on. */
export interface Applied {
  readonly migrations: readonly string[]
  readonly more?: true
}

/**
 * Applies what is missing, in the tenant's room and so with its rights, so that it owns its tables.
 *
 * @param admin a transaction in the database that holds the tenant's schema
 * @param fresh whether its ledger was made in this transaction and so is empty
 * @param books the one in the database that holds the registry, where that is another
 * @returns the ids applied now, and whether there are more, for another transaction: a new value of an enum cannot be used
 *   before it is committed, unless the type is as new
 * @throws TenancyError STATEMENT_REFUSED before any of them is run, for what `migrate` refuses (see `lintMigrations`), or
 *   when one changed its search path; CONFLICT when an applied migration was edited or is unknown
 */
export async function applyMigrations(
  admin: Admin,
  lifecycle: Lifecycle,
  tenant: TenantKey,
  role: string | undefined,
  fresh: boolean,
  books: Admin = admin,
): Promise<Applied> {
  const { allowSchemas = [], distributedSchemas, migrations, naming, registry } = lifecycle
  const ledger = qualify(schemaOf(naming, tenant), LEDGER_TABLE)
  const rows = fresh ? [] : await admin.run(`select id, checksum from ${ledger}`)
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = new Set(pending(migrations, applied).map(({ id }) => id))
  if (missing.size === 0) return { migrations: [] }
  const wanted = readScripts(migrations).filter(({ id }) => missing.has(id))
  requireClean(wanted, allowSchemas, traitsOf(lifecycle.level).ownDatabase)
  const scripts = fresh ? wanted : untilCommit(wanted)
  const room: Room = {
    schema: schemaOf(naming, tenant),
    owner: role,
    searchPath: searchPathOf(naming, tenant),
    shared: traitsOf(lifecycle.level).separateOwner,
  }
  const spent = distributedSchemas
    ? await runOneByOne(admin, room.searchPath, scripts)
    : await runScripts(admin, room, scripts, fresh)
  const done: AppliedMigration[] = scripts.map(({ id, checksum }, at) => {
    return { id, checksum, durationMs: spent[at] ?? 0 }
  })
  // Citus takes no statement that writes to a schema it distributes and to a table that it does not.
  if (books === admin && !distributedSchemas) await recordMigrations(admin, registry, tenant, done, ledger)
  else {
    await admin.run(`insert into ${ledger} (id, checksum) select * from unnest($1::text[], $2::text[])`, [
      done.map(({ id }) => id),
      done.map(({ checksum }) => checksum),
    ])
    await recordMigrations(books, registry, tenant, done)
  }
  return {
    migrations: done.map(({ id }) => id),
    ...(scripts.length < wanted.length && { more: true as const }),
  }
}

/** Where a statement stands: of which migration, on which line, and which of it, from 1. */
export interface StatementPlace {
  readonly id: string
  readonly line: number
  readonly number: number
}

/**
 * @param fresh whether nothing of what they make is there yet
 * @returns milliseconds, for each script
 */
export async function runScripts(
  admin: Admin,
  room: Room,
  scripts: readonly Script[],
  fresh: boolean,
  explain: (error: unknown, at: StatementPlace) => TenancyError | undefined = () => undefined,
): Promise<number[]> {
  const files = filesOf(scripts, fresh)
  const where = scripts.flatMap(({ id }, at) =>
    (files[at] ?? []).map(({ line, number }) => ({ id, line, number })),
  )
  const texts = files.map((file) => file.map(textInRoom))
  const failed = (error: unknown, statement: number) => {
    const at = where[statement]
    return at ? (explain(error, at) ?? inMigration(error, at.id, at.line, at.number)) : error
  }
  return await runInRoom(admin, room, texts, failed).catch((error: unknown) => {
    throw isServerError(error) && error.message.includes(FOREIGN_CODE) ? foreignCode(error) : error
  })
}

/** citusdata/citus#6608: in a message of several statements it would send all of them to its nodes with each. */
async function runOneByOne(admin: Admin, path: string, scripts: readonly Script[]): Promise<number[]> {
  const spent: number[] = []
  for (const script of scripts) {
    const started = performance.now()
    await admin.run(`set local search_path to ${path}`)
    for (const { text, line, number } of [...inTransaction(script), CONSTRAINTS]) {
      await admin.run(text).catch((error: unknown) => {
        throw inMigration(error, script.id, line, number)
      })
    }
    await admin.run(`set local search_path to ${OWN_PATH}`)
    spent.push(Math.round(performance.now() - started))
  }
  return spent
}

const CONSTRAINTS = { text: 'set constraints all immediate', line: undefined, number: undefined }

/** Classes of errors that end the session or the connection: no statement of a migration is to blame. */
const NOT_OF_A_STATEMENT = /^(?:08|57)/

/**
 * Says which migration failed. What it was refused was refused to the tenant: no right that the administrator lacks
 * explains it.
 */
export function inMigration(error: unknown, id: string, line?: number, number?: number): unknown {
  if (!isServerError(error) || NOT_OF_A_STATEMENT.test(error.code)) return error
  if (error.message.includes(ESCAPED)) return withDriverError(changedPath(id), error)
  const { code, message, details } = fromStatement(error)
  const where = line === undefined ? '' : `, line ${line}`
  const located = new TenancyError(code, `Migration ${id}${where}: ${message}`, {
    details: {
      ...details,
      migration: id,
      ...(line !== undefined && { line }),
      ...(number !== undefined && { statement: number }),
    },
  })
  return withDriverError(located, error)
}

/** What a migration would meet in the schema, and run with the administrator's rights. */
export function foreignCode(error: ServerError): TenancyError {
  const message =
    'In the schema there are functions, operators, domains, views or tables with triggers that are not the administrator’s. ' +
    'A migration would run them with its rights. Nothing was kept; give them to the administrator (ALTER … OWNER TO) or drop them.'
  return withDriverError(new TenancyError('STATEMENT_REFUSED', message), error)
}

function changedPath(id: string): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    'A migration changed its search path, so that what it makes would not be in the tenant’s schema. Take set_config out of it.',
    { details: { migration: id } },
  )
}
