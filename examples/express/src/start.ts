import { createApp } from './app.ts'
import { readConfig } from './config.ts'
import { openHub } from './hub/open-hub.ts'
import { createLog } from './log.ts'
import { untilStopped } from './process.ts'
import { serve } from './serve.ts'
import { startTracing } from './tracing.ts'

// Serves the hub until it is asked to stop. The environment says what there is to say (src/config.ts).

const config = readConfig(process.env)
const log = createLog(config.LOG_LEVEL)
const tracing = startTracing('hub', config)
const hub = await openHub(config, log)
const server = await serve(createApp(hub), { host: config.HOST, port: config.PORT })
untilStopped({ log, port: server.port }, async () => {
  // Each waits for the one before: requests, scopes and connections, spans.
  await server.close()
  await hub.close()
  await tracing.stop()
})
