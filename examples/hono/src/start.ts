import { createApp } from './app.ts'
import { type LocalDatabase, startDatabase } from './database.ts'
import { type RunningServer, serveApp } from './server.ts'
import { openTenancy } from './tenancy.ts'

// pnpm start: serves the notes API until Ctrl-C.
//   PORT                  default 8787; 0 takes a free one
//   DATABASE_URL          the application's role; without it a throw-away PostgreSQL is started
//   ADMIN_DATABASE_URL    the provisioning role; required with DATABASE_URL
//   ROLE_PREFIX           before the tenant's key in role names, default c_

const TENANTS = ['acme', 'globex']
let asked: number | undefined

const local = process.env.DATABASE_URL ? undefined : await startDatabase()
const { tenancy, close } = await openTenancy({
  ...connections(local),
  ...(process.env.ROLE_PREFIX && { rolePrefix: process.env.ROLE_PREFIX }),
})
for (const tenant of TENANTS) await tenancy.provision(tenant)
const server = await serveApp(createApp(tenancy), { port: Number(process.env.PORT ?? 8787) })

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void shutDown(server))
console.log(welcome(server.port))

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
  const { DATABASE_URL: url = '', ADMIN_DATABASE_URL: adminUrl } = process.env
  if (adminUrl) return { url, adminUrl }
  throw new Error(
    'DATABASE_URL is set: set ADMIN_DATABASE_URL too, for the role that creates schemas and roles.',
  )
}

function welcome(port: number): string {
  const url = `http://127.0.0.1:${port}`
  return `
Notes API: ${url}   tenants: ${TENANTS.join(', ')}   database: ${
    local ? `throw-away PostgreSQL ${local.version}, gone when this ends` : 'yours (DATABASE_URL)'
  }

Write as acme:
  curl -s ${url}/notes -H 'X-Client-Key: acme' -H 'Content-Type: application/json' -d '{"body":"hello"}'
Read as acme, then as globex (nothing there):
  curl -s ${url}/notes -H 'X-Client-Key: acme'
  curl -s ${url}/notes -H 'X-Client-Key: globex'
The tenant as a subdomain:
  curl -s http://acme.localhost:${port}/notes
Refused: two tenants in one request, a tenant that is not there, a key that is none (message in Portuguese):
  curl -s http://globex.localhost:${port}/notes -H 'X-Client-Key: acme'
  curl -s ${url}/notes -H 'X-Client-Key: initech'
  curl -s ${url}/notes -H 'X-Client-Key: ACME' -H 'Accept-Language: pt'

Ctrl-C ends it.`
}
