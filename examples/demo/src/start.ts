import { randomBytes } from 'node:crypto'
import { closeOnSignal, startSite } from '@org/example-hono/start'
import { makeIdentity } from '@org/example-hono/test/identity'
import { startDatabase } from './database.ts'
import { welcome } from './welcome.ts'

// pnpm start: the site's back end on this machine, until Ctrl-C, with two clients. It makes up what the environment does
// not say: a PostgreSQL, keys and an identity provider, all of them gone when this ends.
//   DATABASE_URL, ADMIN_DATABASE_URL   a database of yours; then secrets need a SETTINGS_ENCRYPTION_KEY of yours as well
//   PORT, ROLE_PREFIX, …               see the README of examples/hono

const CLIENTS = ['acme', 'globex'] as const
const { env } = process

const { tokenFor, serve, credentials } = makeIdentity()
const identity = env.TOKEN_ISSUER ? undefined : await serve()
const database = env.DATABASE_URL ? undefined : await startDatabase()
const siteKey = env.SITE_KEY || credentials.siteKey
const madeUpKey = env.SETTINGS_ENCRYPTION_KEY || !database ? undefined : randomBytes(32).toString('hex')
const stop = async () => {
  await identity?.close()
  await database?.stop()
}
const site = await startSite({
  ...env,
  ...identity?.env,
  SITE_KEY: siteKey,
  ...(database && { DATABASE_URL: database.url, ADMIN_DATABASE_URL: database.adminUrl }),
  ...(madeUpKey !== undefined && { SETTINGS_ENCRYPTION_KEY: madeUpKey }),
}).catch(async (error: unknown) => {
  await stop()
  throw error
})
for (const client of CLIENTS) await site.tenancy.provision(client)

closeOnSignal(async () => {
  console.log('\nFinishing the requests in flight …')
  await site.close()
  await stop()
  console.log('Done.')
})
console.log(
  welcome(site.port, {
    siteKey,
    token: identity && (await tokenFor(CLIENTS[0])),
    database: database ? `throw-away PostgreSQL ${database.version}` : 'yours (DATABASE_URL)',
    key: madeUpKey ? 'throw-away' : env.SETTINGS_ENCRYPTION_KEY ? 'yours' : 'none: secrets are refused',
  }),
)
