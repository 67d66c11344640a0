import { TenancyError, type TenantKey } from '@org/core'
import { withBriefLocks } from '../admin/brief-locks.ts'
import type { Admin } from '../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { ownersAlone } from '../sql/owners-alone.ts'
import { LEDGER_TABLE } from './apply-migrations.ts'
import { createDistributedSchema, type DistributedSchemas } from './distributed-schemas.ts'

/** What scopes may do with tables. */
export const TABLE_RIGHTS = 'select, insert, update, delete'

/** A tenant's schema and the role its scopes run as. */
export interface TenantSchema {
  readonly schema: string
  readonly marker: string
  readonly member: string
}

/**
 * The tenant's schema with its marker and ledger, all three owned by the administrator, and the rights of `member` to it.
 * Bounded columns, so that neither table needs a second one for long values (TOAST, manual 65.2).
 */
export async function createSchema(
  admin: Admin,
  home: TenantSchema,
  tenant: TenantKey,
  distributed?: DistributedSchemas,
): Promise<void> {
  const { schema } = home
  const inside = [...furnishing(home), closed(schema)]
  if (distributed) {
    await createDistributedSchema(admin, schema)
    await runEach(admin, [...inside, movable(home)])
  } else {
    await admin.run([`create schema ${quoteIdentifier(schema)}`, ...inside].join(';\n'))
  }
  await mark(admin, home, tenant)
}

/** The same in a schema that is there, which becomes the tenant's so: whoever calls this knows that it is nobody else's. */
export async function markSchema(admin: Admin, home: TenantSchema, tenant: TenantKey): Promise<void> {
  await admin.run(furnishing(home).join(';\n'))
  await mark(admin, home, tenant)
}

/** Marker and ledger, and the rights of `member`; what others may do in the schema is left as it is. */
function furnishing(home: TenantSchema): string[] {
  const [marker, ledger] = [qualify(home.schema, home.marker), qualify(home.schema, LEDGER_TABLE)]
  return [
    `create table ${marker} (
      key varchar(63) not null,
      created_at timestamptz not null default now()
    )`,
    `create table ${ledger} (
      id varchar(200) primary key,
      checksum varchar(64) not null,
      applied_at timestamptz not null default now()
    )`,
    // guard: ae: what default privileges of the administrator give of his own tables
    ownersAlone([marker, ledger]),
    ...granting(home),
  ]
}

async function mark(admin: Admin, { schema, marker }: TenantSchema, tenant: TenantKey): Promise<void> {
  await admin.run(`insert into ${qualify(schema, marker)} (key) values ($1)`, [tenant])
}

/** The rights of {@link createSchema} once more, for a schema that is there. */
export async function grantSchema(
  admin: Admin,
  home: TenantSchema,
  distributed?: DistributedSchemas,
): Promise<void> {
  const statements = [...granting(home), closed(home.schema)]
  if (distributed) await runEach(admin, [...statements, movable(home)])
  else await admin.run(statements.join(';\n'))
}

/** Citus sends a statement on to other nodes as the text it came in: one at a time (citusdata/citus#6608). */
export async function runEach(admin: Admin, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await admin.run(statement)
}

/** Citus moves tables by logical replication, which must know rows that change (`citus_schema_move`, the rebalancer). */
function movable({ schema, marker }: TenantSchema): string {
  return `alter table ${qualify(schema, marker)} replica identity full`
}

/** Nobody else gets anything. */
function closed(schema: string): string {
  return `revoke all on schema ${quoteIdentifier(schema)} from public`
}

/** Least privilege: use and fill its own schema, read the marker. */
function granting({ schema, marker, member: role }: TenantSchema): string[] {
  const [home, member] = [quoteIdentifier(schema), quoteIdentifier(role)]
  return [
    `grant usage, create on schema ${home} to ${member}`,
    `grant select on ${qualify(schema, marker)} to ${member}`,
    `alter default privileges in schema ${home} grant ${TABLE_RIGHTS} on tables to ${member}`,
    `alter default privileges in schema ${home} grant usage, select on sequences to ${member}`,
  ]
}

/** Takes back the default privileges of {@link granting}, which name the role. */
export function withoutDefaults(schema: string, role: string): string[] {
  const [home, member] = [quoteIdentifier(schema), quoteIdentifier(role)]
  return [
    `alter default privileges in schema ${home} revoke ${TABLE_RIGHTS} on tables from ${member}`,
    `alter default privileges in schema ${home} revoke usage, select on sequences from ${member}`,
  ]
}

/**
 * Without USAGE the pin of every scope fails, whoever has a connection already.
 *
 * @throws TenancyError CONFLICT when what was taken away makes no difference: nobody is told that a tenant is shut who is served
 */
export async function setUsage(
  admin: Admin,
  schema: string,
  roles: readonly string[],
  allowed: boolean,
): Promise<void> {
  const [home, members] = [quoteIdentifier(schema), roles.map(quoteIdentifier).join(', ')]
  if (allowed) return void (await admin.run(`grant usage on schema ${home} to ${members}`))
  await admin.run(`revoke usage on schema ${home} from ${members}, public`)
  // Behind all of them: one may be a member of another, as the application is of the tenant's role until an adoption is confirmed.
  const [still] = await admin.run<StillAllowed>(STILL_ALLOWED, [[...roles], schema])
  if (still) throw neverShut(still)
}

interface StillAllowed {
  readonly role: string
  readonly superuser: boolean
}

const STILL_ALLOWED = `select rolname::text as role, rolsuper as superuser from pg_roles
  where rolname = any ($1) and has_schema_privilege(oid, (select oid from pg_namespace where nspname = $2), 'usage') order by 1`

function neverShut({ role, superuser }: StillAllowed): TenancyError {
  const why = superuser
    ? 'it is a superuser, whom no right binds. Run: ALTER ROLE … NOSUPERUSER, end its sessions, or connect as another role'
    : 'it inherits USAGE of the schema from a role that it is a member of, or somebody but the owner granted it. Revoke that'
  return new TenancyError(
    'CONFLICT',
    `The tenant cannot be shut: the role of its scopes may use its schema all the same, because ${why}. Where scopes run as another by now: REVOKE ALL ON SCHEMA … FROM that role. Nothing was changed.`,
    { details: { role, reason: superuser ? 'superuser' : 'usage' } },
  )
}

/** Running scopes hold this lock shared: wait for them, and let no new one in until the transaction ends. */
export async function drainSchema(admin: Admin, schema: string, marker: string): Promise<void> {
  await admin.run(`lock table ${qualify(schema, marker)} in access exclusive mode`)
}

export async function dropSchema(admin: Admin, schema: string): Promise<void> {
  await withBriefLocks(admin, schema, `drop schema if exists ${quoteIdentifier(schema)} cascade`)
}
