import type { IsolationLevel } from '../isolation/isolation.ts'
import { REMEDY } from '../lifecycle/falls-through.ts'

interface CheckKind {
  /** What a tick behind it means. */
  readonly title: string
  /** What to do when it fails. */
  readonly remedy: string
  /** Where it is promised (README, "What each level stops"). */
  readonly levels: readonly IsolationLevel[]
}

const ALL: readonly IsolationLevel[] = ['schema', 'role', 'login', 'row', 'database']
const OWN_ROLES: readonly IsolationLevel[] = ['role', 'login', 'database']
const OWN_LOGINS: readonly IsolationLevel[] = ['login', 'database']
const BOUND: readonly IsolationLevel[] = ['role', 'login', 'row', 'database']

/** Every check there is, in the order of the report. */
export const CHECKS = {
  application_rights: {
    title: "the application's role has no special rights",
    remedy:
      'ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION, or connect as another role.',
    levels: ALL,
  },
  bare_connection: {
    title: 'the application reads nothing of a tenant outside a scope',
    remedy:
      "Make the application's role NOINHERIT (PostgreSQL 16: GRANT … WITH INHERIT FALSE) and revoke what it was granted on the schema.",
    levels: BOUND,
  },
  grants: {
    title: 'nobody but the tenant has rights to its schema and tables',
    remedy:
      'REVOKE that right, or that membership; earlier owners of an adopted tenant have them until confirmAdoption(key).',
    levels: OWN_ROLES,
  },
  shared_rights: {
    title: "nothing of everybody's can be read or written in shared schemas",
    remedy: REMEDY,
    levels: ['schema', 'role', 'login', 'row'],
  },
  leftovers: {
    title: 'nothing that a scope leaves on a connection is there in the next',
    remedy: 'Enter tenants by withTenant and query only; do not wrap the pool.',
    levels: ALL,
  },
  suspended: {
    title: 'a suspended tenant cannot be entered',
    remedy: 'Run suspend(key) again.',
    levels: ALL,
  },
  own_place: {
    title: 'a scope is in its own place, as its own role',
    remedy: 'Run provision(key) to complete the tenant, and doctor to see what is wrong with it.',
    levels: ALL,
  },
  write_read: {
    title: 'a scope can write and read back',
    remedy: 'Run provision(key) to complete its privileges.',
    levels: ['schema', 'role', 'login', 'database'],
  },
  foreign_visible: {
    title: "no other tenant's schema is in the search path",
    remedy: 'Take it out of sharedSchemas.',
    levels: ALL,
  },
  foreign_read: {
    title: "another tenant's table cannot be read",
    remedy: "REVOKE the tenant's role from whoever has it, and the schema's USAGE from everybody else.",
    levels: BOUND,
  },
  foreign_write: {
    title: "another tenant's table cannot be written",
    remedy: "REVOKE the tenant's role from whoever has it, and the schema's USAGE from everybody else.",
    levels: BOUND,
  },
  foreign_ddl: {
    title: "nothing can be created in another tenant's schema",
    remedy: 'REVOKE CREATE ON SCHEMA from everybody but its tenant.',
    levels: OWN_ROLES,
  },
  foreign_database: {
    title: "another tenant's database cannot be connected to",
    remedy: 'REVOKE CONNECT ON DATABASE … FROM PUBLIC.',
    levels: ['database'],
  },
  role_statement: {
    title: 'SET ROLE is refused in a scope',
    remedy: 'Enter tenants by withTenant and query only.',
    levels: ALL,
  },
  role_in_sql: {
    title: "SQL cannot take another tenant's role",
    remedy: 'REVOKE the membership. At level role this is open to injected SQL: use login or database.',
    levels: OWN_LOGINS,
  },
  role_admin: {
    title: "SQL cannot take the administrator's role",
    remedy: "REVOKE the administrator's role from the application, and use two different roles.",
    levels: ALL,
  },
  public_create: {
    title: 'nothing can be created in shared schemas',
    remedy: 'REVOKE CREATE ON SCHEMA … FROM PUBLIC.',
    levels: ALL,
  },
} as const satisfies Record<string, CheckKind>

export type VerifyCheckId = keyof typeof CHECKS

export function isPromised(id: VerifyCheckId, level: IsolationLevel): boolean {
  const { levels }: CheckKind = CHECKS[id]
  return levels.includes(level)
}
