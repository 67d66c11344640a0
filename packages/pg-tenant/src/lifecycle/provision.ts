import { TenancyError, type TenantKey } from '@org/core'
import { roleOf, schemaOf, searchPathOf } from '../isolation/names.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Admin, inAdminTransaction } from './admin.ts'
import { applicationRole, type Lifecycle, lockTenant, standingOf } from './lifecycle.ts'
import { pending } from './migrations.ts'

export interface ProvisionResult {
  /** Whether the tenant was new. */
  readonly created: boolean
  /** Ids of the migrations applied now. */
  readonly migrations: readonly string[]
}

const LEDGER_TABLE = '_tenant_migration'
const ALREADY_THERE = ['42710', '23505'] // duplicate_object, or the unique index behind it when two create at once
const TABLE_RIGHTS = 'select, insert, update, delete'

/** See {@link Tenancy.provision}. */
export async function provision(lifecycle: Lifecycle, tenant: TenantKey): Promise<ProvisionResult> {
  const { level, naming } = lifecycle
  const application = await applicationRole(lifecycle.pool)
  const schema = schemaOf(naming, tenant)
  const member = level === 'role' ? roleOf(naming, tenant) : application
  return inAdminTransaction(lifecycle.adminPool, async (admin) => {
    await lockTenant(admin, schema)
    const created = (await standingOf(admin, naming, tenant)) === 'nothing'
    if (level === 'role') await ensureRole(admin, member, application)
    if (created) await createSchema(admin, schema, naming.marker, tenant)
    await grant(admin, schema, naming.marker, member)
    const path = searchPathOf(naming, tenant)
    const migrations = await migrate(admin, lifecycle, schema, path, level === 'role' ? member : undefined)
    return { created, migrations }
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

/** Applies what is missing, as the tenant's own role where it has one, so that it owns its tables. */
async function migrate(
  admin: Admin,
  { migrations }: Lifecycle,
  schema: string,
  path: string,
  role: string | undefined,
): Promise<string[]> {
  const ledger = qualify(schema, LEDGER_TABLE)
  const rows = await admin.run(`select id, checksum from ${ledger}`)
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = pending(migrations, applied)
  if (missing.length === 0) return []
  const transaction = await transactionId(admin)
  for (const { id, sql, checksum } of missing) {
    await admin.run(`select set_config('search_path', $1, true), set_config('role', $2, true)`, [
      path,
      role ?? 'none',
    ])
    await admin.run(sql)
    await admin.run('set local role none')
    if ((await transactionId(admin)) !== transaction) {
      throw new TenancyError(
        'STATEMENT_REFUSED',
        'A migration ended its transaction. Take BEGIN, COMMIT and ROLLBACK out of it.',
        {
          details: { migration: id },
        },
      )
    }
    await admin.run(`insert into ${ledger} (id, checksum) values ($1, $2)`, [id, checksum])
  }
  return missing.map(({ id }) => id)
}

async function transactionId(admin: Admin): Promise<unknown> {
  const [row] = await admin.run('select pg_current_xact_id()::text as id')
  return row?.id
}
