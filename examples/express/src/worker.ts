import { createWorkerApp } from './app.ts'
import { readConfig } from './config.ts'
import { openHub } from './hub/open-hub.ts'
import { openWorker } from './hub/worker.ts'
import { createLog } from './log.ts'
import { untilStopped } from './process.ts'
import { serve } from './serve.ts'
import { startTracing } from './tracing.ts'

// The hub's second process: tells webhooks, seals the audit log, rolls up usage, removes what is past keeping. As many of them
// as you like, each with `/health` and `/metrics` at WORKER_PORT.

const config = readConfig(process.env)
const log = createLog(config.LOG_LEVEL)
const tracing = startTracing('hub-worker', config)
const hub = await openHub(config, log)
const worker = openWorker(hub)
hub.metrics.measureWorker(worker)
const server = await serve(createWorkerApp(hub), { host: config.HOST, port: config.WORKER_PORT })
worker.start()
untilStopped({ log, port: server.port }, async () => {
  // First, and with more patience than anything it waits for: what is in hand is finished, or given back.
  await worker.stop()
  await server.close()
  await hub.close()
  await tracing.stop()
})
