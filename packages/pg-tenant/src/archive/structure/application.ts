import { quoteIdentifier } from '../../sql/identifier.ts'
import type { StructureStatement } from './statement.ts'

/** The role that scopes run as at level `schema`, in stored statements: no role can have the name (`pg_` is reserved). */
export const APPLICATION = '"pg_tenant:application"'

/** The same statement for an application of this name: another cluster may call it otherwise. */
export function forApplication(made: StructureStatement, application: string): StructureStatement {
  return { ...made, sql: made.sql.replaceAll(APPLICATION, () => quoteIdentifier(application)) }
}

/** Whether an archive says it so; those of earlier releases hold the role's own name. */
export function namesApplication(statements: readonly StructureStatement[]): boolean {
  return statements.some(({ sql }) => sql.includes(APPLICATION))
}
