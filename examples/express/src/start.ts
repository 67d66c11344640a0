import { createApp } from './app.ts'
import { readConfig } from './config.ts'
import { openHub } from './hub/open-hub.ts'
import { type LocalHub, startLocally } from './local.ts'
import { createLog } from './log.ts'
import { serve } from './serve.ts'

// Serves the hub until it is asked to stop. With DATABASE_URL as it is told by the environment (src/config.ts says every
// variable); without one, on a throw-away PostgreSQL with throw-away keys.

const local: LocalHub | undefined = process.env.DATABASE_URL ? undefined : await startLocally()
const config = readConfig({ ...local?.environment, ...process.env })
const log = createLog(config.LOG_LEVEL)
const hub = await openHub(config, log)
const server = await serve(createApp(hub), { host: config.HOST, port: config.PORT })

log.info(
  { host: config.HOST, port: server.port, database: local ? 'throw-away' : 'DATABASE_URL' },
  'listening',
)
// Not through the log: it opens an account.
if (hub.invitation) {
  process.stdout.write(
    `Choose the first operator's password at http://${config.HOST}:${server.port}/admin#invitation=${hub.invitation.token}\n`,
  )
}

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A package manager passes Ctrl-C on, so it comes twice.
    if (stopping) return
    stopping = true
    log.info({ signal }, 'finishing the requests in flight')
    void stop()
  })
}

/** Each waits for the one before: requests, scopes and connections, the database. */
async function stop(): Promise<void> {
  await server.close()
  await hub.close()
  await local?.stop()
  log.info('stopped')
}
