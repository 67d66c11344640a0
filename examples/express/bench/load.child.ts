import { createApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { openHub } from '../src/hub/open-hub.ts'
import { createLog } from '../src/log.ts'
import { serve } from '../src/serve.ts'
import type { LoadJob, Said, Usage } from './job.ts'
import { listOnly, makeSharedSchema } from './list-only.ts'
import { prepare } from './prepare.ts'
import { withoutScopes } from './unscoped-hub.ts'

// A process of the load test: makes the tenants, or serves one contender and says what it takes.

const job: LoadJob = JSON.parse(process.argv[2] ?? '{}')
if (job.do === 'prepare') {
  const prepared = await prepare(job.environment, job.tenants)
  await makeSharedSchema(String(job.environment.ADMIN_DATABASE_URL))
  process.send?.(prepared)
} else {
  const config = readConfig(job.environment)
  const hub = await openHub(config, createLog('debug'))
  const { who } = job
  const app =
    who === 'hub'
      ? createApp(hub)
      : who === 'unscoped'
        ? createApp(await withoutScopes(hub))
        : await listOnly(hub, who)
  const { port } = await serve(app, { host: '127.0.0.1', port: 0 })
  process.on('message', () => say({ usage: usage() }))
  process.once('disconnect', () => process.exit(0))
  say({ port })
}

function say(what: Said): void {
  process.send?.(what)
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  for (let time = 0; time < 4; time++) globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heap: heapUsed, cpu: (user + system) / 1_000 }
}
