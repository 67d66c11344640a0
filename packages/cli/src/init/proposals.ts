import type { TenantProposal } from '@org/pg-tenant/admin'
import type { Environment } from '../config/settings.ts'
import { plural } from '../output/format.ts'

/** Milliseconds to wait for the database, which may not be there yet. */
const CONNECT_MS = 3_000

/** What a database that the environment names has already; nothing when there is none, or it cannot be reached. */
export async function proposalsIn(env: Environment): Promise<readonly TenantProposal[]> {
  const url = env.ADMIN_DATABASE_URL ?? env.DATABASE_URL
  if (!url) return []
  const [{ default: pg }, { proposeTenants }] = await Promise.all([
    import('pg'),
    import('@org/pg-tenant/admin'),
  ])
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: CONNECT_MS })
  pool.on('error', () => {})
  try {
    return await proposeTenants(pool)
  } catch {
    return []
  } finally {
    await pool.end().catch(() => {})
  }
}

/** What was found, and what to do about it. */
export function wordsOf(proposal: TenantProposal): string {
  if (proposal.kind === 'schemas') {
    const { pattern, schemas, tables } = proposal
    return (
      `Found: ${schemas.length} schemas named ${pattern} with ${plural(tables, 'table')} each. They become tenants in place: ` +
      `pg-tenant adopt --all --schemas '${pattern}' --baseline <id> --dry-run`
    )
  }
  if (proposal.kind === 'logins') {
    const { roles, schemas, count } = proposal
    return (
      `Found: ${count} logins named ${roles}, each with its schema (${schemas}). With isolation: 'login' they become tenants in place: ` +
      `pg-tenant adopt --all --schemas '${schemas}' --roles '${roles}' --passwords <file> --baseline <id> --dry-run`
    )
  }
  if (proposal.kind === 'databases') {
    const { pattern, databases, roles } = proposal
    return (
      `Found: ${databases.length} databases named ${pattern}, each of a login (${roles}). With isolation: 'database' they become tenants in place: ` +
      `pg-tenant adopt --all --databases '${pattern}' --roles '${roles}' --schema public --passwords <file> --baseline <id> --dry-run`
    )
  }
  const { schema, column, type, tables, others } = proposal
  const without = others.length > 0 ? `; without it: ${others.slice(0, 10).join(', ')}` : ''
  return (
    `Found: ${tables.length} tables in ${schema} with ${column} (${type})${without}. They can be those of level row where they are: ` +
    `isolation: 'row', row: { schema: '${schema}', tenantColumn: '${column}' }; then pg-tenant doctor says what is in the way`
  )
}
