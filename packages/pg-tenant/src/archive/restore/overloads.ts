import { isServerError } from '../../errors/server-error.ts'
import { SQLSTATE } from '../../errors/sqlstate.ts'
import { namesIn } from '../../sql/scan.ts'
import type { AdminClient } from '../client.ts'
import type { Place } from '../place.ts'
import type { StructureStatement } from '../structure/statement.ts'
import { underPath } from '../under-path.ts'

// $1 schema, $2 search path, $3 names. Functions that a call finds beside the one it was written for: it may leave arguments out.
const OVERLOADS = `with path as materialized (select set_config('search_path', $2, true))
  select format('alter function %I.%I(%s) rename to %I', n.nspname, p.proname, args, aside) as away,
    format('alter function %I.%I(%s) rename to %I', n.nspname, aside, args, p.proname) as back
  from path, pg_namespace n join pg_proc p on p.pronamespace = n.oid and p.prokind in ('f', 'w')
    cross join pg_get_function_identity_arguments(p.oid) args cross join concat('aside_', p.oid) aside
  where n.nspname = $1 and p.proname = any ($3::text[]) and (p.pronargdefaults > 0 or p.provariadic <> 0)`

/**
 * What was made before a function got an overload with defaults calls what is ambiguous now, and means the function that was there:
 * `pg_dump` writes the same text, which cannot be put in again. While it is made the others have another name, which changes nothing for
 * those who call them already.
 *
 * @returns the statements in place of the refused one
 */
export async function besideOverloads(
  home: AdminClient,
  { schema, searchPath }: Place,
  statement: StructureStatement,
  error: unknown,
): Promise<readonly StructureStatement[] | undefined> {
  if (!isServerError(error) || error.code !== SQLSTATE.AMBIGUOUS_FUNCTION) return undefined
  const found = await underPath(home, OVERLOADS, [schema, searchPath, namesIn(statement.sql)])
  if (found.length === 0) return undefined
  const run = (sql: string): StructureStatement => ({ ...statement, sql })
  return [
    ...found.map(({ away }) => run(String(away))),
    statement,
    ...found.map(({ back }) => run(String(back))),
  ]
}
