import type { IsolationLevel } from '@org/pg-tenant'

/** The file `init` writes. It holds no URL: those come from the environment. */
export function configText(isolation: IsolationLevel): string {
  return `import { defineConfig } from '@org/pg-tenant-cli'

// DATABASE_URL and ADMIN_DATABASE_URL go before databaseUrl and adminUrl here. Keep passwords out of this file.
export default defineConfig({
  isolation: '${isolation}',
  migrations: './migrations',
  // unqualify: 'public',   // when drizzle-kit writes the migrations
  // backups: './backups',
  // seed: async (db) => {
  //   await db.query('insert into … on conflict do nothing')
  // },
})
`
}
