import { randomBytes } from 'node:crypto'
import { keyRingFromEnv } from '@org/crypto'
import { createApp } from './app.ts'
import { type LocalDatabase, startDatabase } from './demo/database.ts'
import { welcome } from './demo/welcome.ts'
import { type RunningServer, serveApp } from './server.ts'
import { notesSettings } from './settings.ts'
import { openTenancy } from './tenancy.ts'

// pnpm start: serves the notes API until Ctrl-C.
//   PORT                     default 8787; 0 takes a free one
//   DATABASE_URL             the application's role; without it a throw-away PostgreSQL is started
//   ADMIN_DATABASE_URL       the provisioning role; required with DATABASE_URL
//   ROLE_PREFIX              before the tenant's key in role names, default c_
//   SETTINGS_ENCRYPTION_KEY  seals the tenants' secrets; without it: a throw-away key for a throw-away PostgreSQL,
//                            none for yours, where storing a secret is then refused

const TENANTS = ['acme', 'globex']
const { env } = process
let asked: number | undefined

const madeUp = env.SETTINGS_ENCRYPTION_KEY || env.DATABASE_URL ? undefined : randomBytes(32).toString('hex')
const keyRing = keyRingFromEnv(madeUp === undefined ? env : { SETTINGS_ENCRYPTION_KEY: madeUp })
const local = env.DATABASE_URL ? undefined : await startDatabase()
const { tenancy, close } = await openTenancy({
  ...connections(local),
  ...(env.ROLE_PREFIX && { rolePrefix: env.ROLE_PREFIX }),
})
for (const tenant of TENANTS) await tenancy.provision(tenant)
const server = await serveApp(createApp(tenancy, notesSettings(keyRing)), { port: Number(env.PORT ?? 8787) })

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void shutDown(server))
console.log(
  welcome(server.port, TENANTS, {
    database: local ? `throw-away PostgreSQL ${local.version}, gone when this ends` : 'yours (DATABASE_URL)',
    key: madeUp ? 'throw-away, gone when this ends' : keyOf(keyRing.keyId),
  }),
)

function keyOf(id: string | null): string {
  return id === null ? 'none: secrets are refused until SETTINGS_ENCRYPTION_KEY is set' : `yours (${id})`
}

/**
 * In this order, each waiting for the one before: requests, scopes and connections, the database. Ctrl-C again ends
 * it at once; a package manager passes the first one on as well, so twice within a second counts as once.
 */
async function shutDown(running: RunningServer): Promise<void> {
  const now = performance.now()
  if (asked !== undefined) return now - asked > 1_000 ? process.exit(130) : undefined
  asked = now
  console.log('\nFinishing the requests in flight …')
  await running.close()
  await close()
  await local?.stop()
  console.log('Done.')
}

function connections(started: LocalDatabase | undefined): { url: string; adminUrl: string } {
  if (started) return started
  const { DATABASE_URL: url = '', ADMIN_DATABASE_URL: adminUrl } = env
  if (adminUrl) return { url, adminUrl }
  throw new Error(
    'DATABASE_URL is set: set ADMIN_DATABASE_URL too, for the role that creates schemas and roles.',
  )
}
