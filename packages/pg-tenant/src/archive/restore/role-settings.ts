import { quoteIdentifier } from '../../sql/identifier.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import { unreadable } from '../format/format.ts'
import type { Place } from '../place.ts'
import { FUNCTION_OF, SET_ROLE_OF } from '../structure/code-sql.ts'
import type { StructureStatement } from '../structure/statement.ts'
import { underPath } from '../under-path.ts'

const ROLE_SETTING =
  /^alter ((?:function|procedure) .+) set (role|session_authorization) to '((?:[^'\\]|'')*)'$/s

/**
 * Gives functions the role that they say they run as (`CREATE FUNCTION … SET role`), which cannot be done in the tenant's room:
 * nothing changes a role there. What the archive says is only looked up and quoted anew, and ALTER FUNCTION runs nothing.
 */
export async function setRolesOfFunctions(
  home: AdminClient,
  { owner, schema, searchPath }: Place,
  statements: readonly StructureStatement[],
): Promise<void> {
  for (const { sql: text } of statements) {
    const [, named, setting, value = ''] = ROLE_SETTING.exec(text) ?? []
    const of = [schema, searchPath, named, quoteIdentifier(schema)]
    const [found] = await underPath(home, FUNCTION_OF, of)
    if (!found) throw unreadable('damaged')
    const [alter] = await home.run(SET_ROLE_OF, [found.oid, setting, value.replaceAll("''", "'")])
    await home.run(`set local role ${quoteIdentifier(String(owner))}; ${alter?.sql}; set local role none`)
    await pinSettings(home)
  }
}
