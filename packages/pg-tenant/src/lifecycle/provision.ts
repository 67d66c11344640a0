import { TenancyError, type TenantKey } from '@org/core'
import { schemaOf } from '../isolation/names.ts'
import { register, registered } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Admin, inAdminTransaction } from './admin.ts'
import { applyMigrations, LEDGER_TABLE } from './apply-migrations.ts'
import { type Lifecycle, lockTenant, memberOf, standingOf } from './lifecycle.ts'
import { prepare } from './prepare.ts'

export interface ProvisionResult {
  /** Whether the tenant was new. */
  readonly created: boolean
  /** Ids of the migrations applied now. */
  readonly migrations: readonly string[]
}

const ALREADY_THERE = ['42710', '23505'] // duplicate_object, or the unique index behind it when two create at once
const TABLE_RIGHTS = 'select, insert, update, delete'

/** Options of {@link Tenancy.provision}. */
export interface ProvisionOptions {
  /** The plan the tenant is on, a word of the application's; kept in the registry. */
  readonly plan?: string | undefined
  /** Which cluster holds it; kept in the registry (default `default`). */
  readonly placement?: string | undefined
  /** Whether the key of a dropped tenant may be given out again (default false). */
  readonly reuseDeletedKey?: boolean | undefined
}

/** See {@link Tenancy.provision}. */
export async function provision(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ProvisionOptions = {},
): Promise<ProvisionResult> {
  const { level, naming, registry, migrations } = lifecycle
  const { plan, placement, reuseDeletedKey: reuse = false } = options
  const application = await prepare(lifecycle)
  const schema = schemaOf(naming, tenant)
  const member = memberOf(lifecycle, tenant, application)
  return inAdminTransaction(lifecycle.adminPool, async (admin) => {
    await lockTenant(admin, schema)
    const status = await register(admin, registry, tenant, level, { plan, placement, reuse })
    const created = (await standingOf(admin, naming, tenant)) === 'nothing'
    if (level === 'role') await ensureRole(admin, member, application)
    if (created) await createSchema(admin, schema, naming.marker, tenant)
    await grant(admin, schema, naming.marker, member)
    const applied = await applyMigrations(admin, lifecycle, tenant, level === 'role' ? member : undefined)
    if (status === 'suspended') {
      await admin.run(`revoke usage on schema ${quoteIdentifier(schema)} from ${quoteIdentifier(member)}`)
    }
    await registered(admin, registry, tenant, migrations.at(-1)?.id)
    return { created, migrations: applied }
  })
}

/** The tenant's role: it cannot log in, owns nothing but its tables, and only those who act for it are members. */
async function ensureRole(admin: Admin, role: string, application: string): Promise<void> {
  const quoted = quoteIdentifier(role)
  await admin.attempt(ALREADY_THERE, `create role ${quoted} nologin noinherit`)
  const [facts] = await admin.run(
    `select r.rolcanlogin or r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls or r.rolreplication
              or exists (select from pg_auth_members m where m.member = r.oid) as mighty,
            current_setting('server_version_num')::int as version,
            (select rolsuper from pg_roles where rolname = current_user) as superuser,
            current_user as admin,
            (select rolinherit and not rolsuper from pg_roles where rolname = $2) as inherits
     from pg_roles r where r.rolname = $1`,
    [role, application],
  )
  if (!facts || facts.mighty) {
    throw new TenancyError(
      'CONFLICT',
      'A role of that name is there and is not a tenant role: it can log in, has special rights or is a member of others.',
      {
        details: { role },
      },
    )
  }
  const sixteen = Number(facts.version) >= 160_000
  if (!sixteen && facts.inherits) {
    throw new TenancyError(
      'INVALID_OPTION',
      "The application's role inherits the rights of roles it is a member of, so unscoped queries would see every " +
        'tenant. Run: ALTER ROLE … NOINHERIT.',
      { details: { role: application } },
    )
  }
  // PostgreSQL 16 decides inheritance with the grant, before it was the member's attribute.
  const how = sixteen ? ' with inherit false, set true' : ''
  const members = new Set([application, ...(facts.superuser ? [] : [String(facts.admin)])])
  for (const name of members) await admin.run(`grant ${quoted} to ${quoteIdentifier(name)}${how}`)
}

async function createSchema(
  admin: Admin,
  schema: string,
  markerTable: string,
  tenant: TenantKey,
): Promise<void> {
  const marker = qualify(schema, markerTable)
  await admin.run(`
    create schema ${quoteIdentifier(schema)};
    create table ${marker} (
      key text primary key,
      created_at timestamptz not null default now()
    );
    create table ${qualify(schema, LEDGER_TABLE)} (
      id text primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`)
  await admin.run(`insert into ${marker} (key) values ($1)`, [tenant])
}

/** Least privilege: use and fill its own schema, read the marker; no one else gets anything. */
async function grant(admin: Admin, schema: string, markerTable: string, role: string): Promise<void> {
  const [home, member] = [quoteIdentifier(schema), quoteIdentifier(role)]
  await admin.run(`
    revoke all on schema ${home} from public;
    grant usage, create on schema ${home} to ${member};
    grant select on ${qualify(schema, markerTable)} to ${member};
    alter default privileges in schema ${home} grant ${TABLE_RIGHTS} on tables to ${member};
    alter default privileges in schema ${home} grant usage, select on sequences to ${member}`)
}
