import { randomBytes } from 'node:crypto'
import type { TokenClaims } from '@org/core'
import { integrationsMigration, settingsMigration } from '@org/crypto'
import { API_KEYS_MIGRATION } from '@org/crypto/api-keys'
import { DENIED_JTI_MIGRATION, REFRESH_TOKEN_MIGRATION } from '@org/crypto/tokens'
import { IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import { WEBHOOKS_MIGRATION } from '@org/governance/webhooks'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { type TestSealing, testSealing, testTenancy } from '@org/pg-testing'
import { RBAC_API_KEY_MIGRATION, RBAC_MIGRATION } from '@org/rbac/store'
import type { Pool } from 'pg'

/**
 * What examples of the docstrings may use without saying where it comes from: what every application has. Everything else an
 * example imports or makes itself.
 */
export interface Given {
  /** the application's connections */
  readonly pool: Pool
  /** the administrator's */
  readonly adminPool: Pool
  /** the name of the application's role */
  readonly application: string
  /** what stands before a tenant's key in the name of its role */
  readonly rolePrefix: string
  /** with the tenants `acme` and `globex`, who have notes (`id`, `body`) and users (`id`, `email`, `name`) */
  readonly tenancy: Tenancy
  /** finds out who sent a token; here the token is the tenant's key */
  readonly verifyToken: (token: string) => Promise<TokenClaims>
  /** stands for the envelopes of `@org/crypto`, in packages that do not know it */
  readonly envelopes: TestSealing
}

declare global {
  var pool: Given['pool']
  var adminPool: Given['adminPool']
  var application: Given['application']
  var rolePrefix: Given['rolePrefix']
  var tenancy: Given['tenancy']
  var verifyToken: Given['verifyToken']
  var envelopes: Given['envelopes']
}

const TABLES = `
  create table notes (id bigint generated always as identity primary key, body text not null);
  create table users (id uuid primary key default gen_random_uuid(), email text not null unique, name text)`

const MIGRATIONS = [
  { id: '0001_tables', sql: TABLES },
  RBAC_MIGRATION,
  API_KEYS_MIGRATION,
  RBAC_API_KEY_MIGRATION,
  REFRESH_TOKEN_MIGRATION,
  DENIED_JTI_MIGRATION,
  settingsMigration,
  integrationsMigration,
  IDEMPOTENCY_MIGRATION,
  WEBHOOKS_MIGRATION,
]

/** Puts it where examples find it; `end` takes it away again. */
export async function give(): Promise<{ end(): Promise<void> }> {
  const { tenancy, pool, root, admin, appRole, rolePrefix, appUrl, adminUrl, close } = await testTenancy(
    createTenancy,
    {
      tenants: ['acme', 'globex'],
      createdb: true,
      // An example that makes a tenancy has the default names for itself.
      options: { migrations: MIGRATIONS, schemaPrefix: 'given_', controlSchema: 'given' },
    },
  )
  Object.assign(process.env, {
    DATABASE_URL: appUrl,
    ADMIN_DATABASE_URL: adminUrl,
    SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
  })
  Object.assign(globalThis, {
    pool: pool(),
    adminPool: admin,
    application: appRole,
    rolePrefix,
    tenancy,
    verifyToken: async (token) => ({ type: 'user', sub: 'ana', tenantId: token }),
    envelopes: testSealing(),
  } satisfies Given)
  const end = async () => {
    // Roles are the server's, so the database does not take them along.
    const { rows } = await root.query(
      `select quote_ident(rolname) as role from pg_roles where rolname ~ '^example_'`,
    )
    for (const { role } of rows) await root.query(`drop owned by ${role} cascade; drop role ${role}`)
    await close()
  }
  return { end }
}
