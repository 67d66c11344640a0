import type { IsolationLevel } from '@org/pg-tenant'

/** The file `init` writes. It holds no URL: those come from the environment. */
export function configText(
  isolation: IsolationLevel,
  row?: { readonly schema: string; readonly column: string },
): string {
  const place = row ? `  row: ${JSON.stringify({ schema: row.schema, tenantColumn: row.column })},\n` : ''
  return `import { defineConfig } from '@org/pg-tenant-cli'

// DATABASE_URL and ADMIN_DATABASE_URL go before databaseUrl and adminUrl here. Keep passwords out of this file.
export default defineConfig({
  isolation: '${isolation}',
${place}  migrations: './migrations',
  // unqualify: 'public',   // when drizzle-kit writes the migrations
  // backups: './backups',
  // seed: async (db) => {
  //   await db.query('insert into … on conflict do nothing')
  // },
})
`
}
