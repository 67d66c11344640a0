import { DEFAULT_PREFIX, type OptionNames, parsePrefix } from '@org/core'
import { invalidOption, rolesOf } from '../input/input.ts'
import { qualify, quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import { policy, rowSecurity } from './policy.ts'

/** How tenants are kept apart: the isolation levels of `@org/pg-tenant`. */
export type IsolationLevel = 'schema' | 'role' | 'login' | 'row' | 'database'

/** How the tenancy names its tenants; the same as its own options. */
export interface LevelOptions {
  /** Default `role`. */
  readonly isolation?: IsolationLevel | undefined
  /** Before the key in role names (default `c_`): who writes at levels `role`, `login` and `database`. */
  readonly rolePrefix?: string | undefined
  /** Before the key in schema names (default `c_`): who writes at level `schema`. */
  readonly schemaPrefix?: string | undefined
  /** The role the application logs in with. Needed at levels `schema` and `row`, where scopes run as it. */
  readonly application?: string | undefined
}

/** @internal Their names, for calls that take them among others. */
export const LEVEL_OPTIONS: OptionNames<LevelOptions> = {
  isolation: true,
  rolePrefix: true,
  schemaPrefix: true,
  application: true,
}

/** @internal Who writes rows of tenants, and how the server knows whose row it is. */
export interface Writers {
  readonly isolation: IsolationLevel
  /** A condition over the column `tenant`: whether this transaction is that tenant's. Nothing in it comes from the search path. */
  readonly ownRow: string
  /** To whom INSERT is granted, as SQL. */
  readonly grantee: string
  /** A role that SQL of any tenant can become: it must not read what tenants wrote. */
  readonly shared: string | undefined
}

const LEVELS: readonly unknown[] = ['schema', 'role', 'login', 'row', 'database'] satisfies IsolationLevel[]

/**
 * Which rows a tenant's transaction may write, at each level. Where every tenant has a role, INSERT is granted to PUBLIC and
 * the policy decides by `current_user`: ten thousand grants on one table would be read through at every statement. At
 * `schema` and `row` all scopes are one role, so that hostile SQL can write in another tenant's name there (those levels stop
 * mistakes); a MAC over the row shows it.
 *
 * @internal
 * @throws TenancyError INVALID_OPTION
 */
export function writersOf(options: LevelOptions): Writers {
  const { isolation = 'role', application } = options
  if (!LEVELS.includes(isolation)) throw invalidOption('isolation', 'schema, role, login, row or database')
  if (isolation === 'schema' || isolation === 'row') {
    if (application === undefined) throw invalidOption('application', 'the role the application logs in with')
    rolesOf([application], 'application')
    const grantee = quoteIdentifier(application)
    return { isolation, grantee, shared: application, ownRow: sharedRow(isolation, options) }
  }
  const prefix = quoteLiteral(parsePrefix(options.rolePrefix ?? DEFAULT_PREFIX))
  // At level `role` hostile SQL can go back to being the application.
  const shared = isolation === 'role' ? application : undefined
  const ownRow = `current_user::pg_catalog.text operator(pg_catalog.=) (${prefix} operator(pg_catalog.||) tenant)`
  return { isolation, grantee: 'public', shared, ownRow }
}

function sharedRow(isolation: 'schema' | 'row', { schemaPrefix }: LevelOptions): string {
  if (isolation === 'row')
    return `tenant operator(pg_catalog.=) nullif(pg_catalog.current_setting('app.tenant_id', true), '')`
  const prefix = quoteLiteral(parsePrefix(schemaPrefix ?? DEFAULT_PREFIX))
  return `pg_catalog.current_schema()::pg_catalog.text operator(pg_catalog.=) (${prefix} operator(pg_catalog.||) tenant)`
}

/**
 * Statements that let tenants do nothing to a table but INSERT the named columns of their own rows, and let `readers` read
 * everybody's. The table's owner, the administrator, is bound by neither. May be said again.
 *
 * @internal
 * A condition of the row stands in the policy, which is part of a prepared statement's plan; a CHECK constraint is read from the
 * catalogue at every execution, which costs more than half of what the INSERT does.
 *
 * @param table its columns include `tenant`
 * @param options.also what else must be true of a tenant's row; nothing in it may come from the search path
 * @throws TenancyError INVALID_OPTION when the role of all scopes would be a reader
 */
export function insertOnly(
  schema: string,
  table: string,
  columns: readonly string[],
  { ownRow, grantee, shared }: Writers,
  readers: readonly string[],
  { also }: { readonly also?: string } = {},
): string[] {
  requireNotShared(shared, readers, 'readers')
  const [home, name] = [quoteIdentifier(schema), qualify(schema, table)]
  return [
    `grant usage on schema ${home} to ${grantee}`,
    rowSecurity(name),
    policy(name, 'own_rows', 'insert', [grantee], `with check (${ownRow}${also ? ` and ${also}` : ''})`),
    `revoke all on ${name} from public`,
    `grant insert (${columns.join(', ')}) on ${name} to ${grantee}`,
    ...readableBy(schema, table, readers),
  ]
}

/**
 * Lets roles that are no tenant's add rows in every tenant's name. May be said again.
 *
 * @internal
 * @throws TenancyError INVALID_OPTION when the role of all scopes would be one of them
 */
export function insertableBy(
  schema: string,
  table: string,
  columns: readonly string[],
  { shared }: Writers,
  operators: readonly string[],
): string[] {
  requireNotShared(shared, operators, 'operators')
  const name = qualify(schema, table)
  if (operators.length === 0) return [`drop policy if exists operators on ${name}`]
  const to = operators.map(quoteIdentifier)
  const roles = to.join(', ')
  return [
    `grant usage on schema ${quoteIdentifier(schema)} to ${roles}`,
    `grant insert (${columns.join(', ')}) on ${name} to ${roles}`,
    policy(name, 'operators', 'insert', to, 'with check (true)'),
  ]
}

function requireNotShared(shared: string | undefined, roles: readonly string[], option: string): void {
  if (shared === undefined || !roles.includes(shared)) return
  throw invalidOption(
    option,
    'other roles than the application, which what a tenant sends can become at this level',
  )
}

/** @internal Lets roles that are no tenant's read a table. May be said again. */
export function readableBy(schema: string, table: string, readers: readonly string[]): string[] {
  if (readers.length === 0) return []
  const [to, name] = [readers.map(quoteIdentifier), qualify(schema, table)]
  const roles = to.join(', ')
  return [
    `grant usage on schema ${quoteIdentifier(schema)} to ${roles}`,
    `grant select on ${name} to ${roles}`,
    policy(name, 'readers', 'select', to, 'using (true)'),
  ]
}
