import { TenancyError } from '@org/core'
import { runInRoom } from '../../admin/in-room.ts'
import { fromStatement } from '../../admin/transaction.ts'
import { isServerError, withDriverError } from '../../errors/server-error.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { namesIn } from '../../sql/scan.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import { type Place, roomOf } from '../place.ts'
import { PHASE, type StructureStatement } from '../structure/statement.ts'
import { underPath } from '../under-path.ts'

/** Statements sent in one call. */
const AT_ONCE = 1_000

/**
 * Runs statements of an archive with the tenant's rights. The catalogue knows what an object needs, but not what is said in
 * the text of a function: what is refused is tried again behind the others, until none of the rest is taken any more.
 *
 * @param all what the tenant is made of, with the functions among it
 * @throws TenancyError that names the object
 */
export async function make(
  home: AdminClient,
  place: Place,
  statements: readonly StructureStatement[],
  all: readonly StructureStatement[] = statements,
): Promise<void> {
  for (let waiting = statements; waiting.length > 0; ) {
    const refused = await makeOnce(home, place, waiting)
    if (refused.length === waiting.length) {
      const [first] = refused
      const made = first && (await makeUnchecked(home, place, first.statement, all))
      if (!made) throw notMade(first?.error, first?.statement)
      refused.shift()
    }
    waiting = refused.map(({ statement }) => statement)
  }
}

interface Refused {
  readonly statement: StructureStatement
  readonly error: unknown
}

async function makeOnce(
  home: AdminClient,
  place: Place,
  statements: readonly StructureStatement[],
): Promise<Refused[]> {
  const refused: Refused[] = []
  for (let rest = statements; rest.length > 0; ) {
    const some = rest.slice(0, AT_ONCE)
    const failure = await attemptAll(home, place, some)
    if (!failure) {
      rest = rest.slice(some.length)
      continue
    }
    // Undone as a whole: what went before it is made once more.
    const before = some.slice(0, failure.at)
    if (before.length > 0 && (await attemptAll(home, place, before))) throw failure.error
    const statement = some[failure.at]
    if (!statement) throw failure.error
    refused.push({ statement, error: failure.error })
    rest = rest.slice(failure.at + 1)
  }
  return refused
}

/** @returns which statement was refused; it is as if none had been tried */
async function attemptAll(
  home: AdminClient,
  place: Place,
  statements: readonly StructureStatement[],
): Promise<{ readonly at: number; readonly error: unknown } | undefined> {
  let failedAt: number | undefined
  await home.run('savepoint attempt')
  try {
    const texts = statements.map(({ sql }) => sql)
    await runInRoom(home, roomOf(place, 'on'), [texts], (error, at) => {
      failedAt = at
      return error
    })
  } catch (error) {
    if (failedAt === undefined || !isServerError(error) || PASSING.test(error.code)) throw error
    await home.run('rollback to savepoint attempt; release savepoint attempt')
    return { at: failedAt, error }
  }
  await home.run('release savepoint attempt')
  await pinSettings(home)
  return undefined
}

/** Classes of errors that say nothing of a statement: resources, shutdown, connection, deadlock, limits. */
const PASSING = /^(?:08|40|53|54|57|58|XX|55P03)/

// $3 names, $4 the schema as it is quoted. A function that answers null lets every check pass.
const STUBS = `with path as materialized (select set_config('search_path', $2, true))
  select format('create or replace function %I.%I(%s) returns %s language plpgsql as $stub$ begin return null; end $stub$', n.nspname, p.proname,
    pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)) as stub, format('function %s.%I(%s)', $4::text, p.proname,
    pg_get_function_identity_arguments(p.oid)) as what
  from path, pg_namespace n join pg_proc p on p.pronamespace = n.oid and p.prokind = 'f' where n.nspname = $1 and p.proname = any ($3::text[])`

/**
 * A check whose function reads other rows may not hold of old ones any more: nobody looks again when those change. It was
 * in force and is to be in force, and the rows are those of the archive: while it is added its functions let everything pass.
 */
async function makeUnchecked(
  home: AdminClient,
  place: Place,
  statement: StructureStatement,
  all: readonly StructureStatement[],
): Promise<boolean> {
  if (statement.phase !== PHASE.check) return false
  const stubs = await underPath(home, STUBS, [
    place.schema,
    place.searchPath,
    namesIn(statement.sql),
    quoteIdentifier(place.schema),
  ])
  const originals = stubs.flatMap(({ what }) => all.find((made) => made.what === what) ?? [])
  if (stubs.length === 0 || originals.length !== stubs.length) return false
  const stubbed = stubs.map(({ stub }): StructureStatement => ({ ...statement, sql: String(stub) }))
  return (await attemptAll(home, place, [...stubbed, statement, ...originals])) === undefined
}

/** The statement came from a file: only what it makes is named. */
function notMade(error: unknown, made: StructureStatement | undefined): unknown {
  if (!isServerError(error) || !made) return error
  const { code, message, details } = fromStatement(error)
  const located = new TenancyError(code, `The archive's ${made.what} could not be made: ${message}`, {
    details: { ...details, object: made.what },
  })
  return withDriverError(located, error)
}
