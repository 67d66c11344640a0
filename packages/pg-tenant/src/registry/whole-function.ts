import type { Admin } from '../admin/transaction.ts'
import { IS_WHOLE, WHOLE } from '../isolation/whole.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'

// $1 the function.
const THERE = 'select pg_catalog.to_regprocedure($1) is not null as there'

/**
 * Makes what gates ask at the end of scopes of distributed schemas. It is the administrator's, in a schema where nobody else makes
 * anything, and runs with the rights of who calls it; PL/pgSQL keeps its plan on the session.
 */
export async function ensureWhole(admin: Admin, controlSchema: string, application: string): Promise<void> {
  const call = `${qualify(controlSchema, WHOLE)}()`
  const [found] = await admin.run(THERE, [call])
  if (found?.there === true) return
  await admin.run(
    `create function ${call} returns boolean language plpgsql as $$ begin return ${IS_WHOLE}; end $$`,
  )
  await admin.run(`revoke all on function ${call} from public`)
  await admin.run(`grant execute on function ${call} to ${quoteIdentifier(application)}`)
}
