import { availableParallelism, loadavg } from 'node:os'
import { type Options, parseOptions, USAGE } from './options.ts'
import type { SuiteResult } from './report/result.ts'
import { render } from './report/terminal.ts'
import { type Report, write } from './report/write.ts'
import { type Bench, startBench } from './server.ts'
import { cryptoSuite } from './suites/crypto.ts'
import { fleetSuite } from './suites/fleet.ts'
import { governanceSuite } from './suites/governance.ts'
import { hubSuite } from './suites/hub.ts'
import { createManyTenants, type ManyTenants } from './suites/many-tenants.ts'
import { memorySuite } from './suites/memory.ts'
import { outboxSuite } from './suites/outbox.ts'
import { provisionSuite } from './suites/provision.ts'
import { rbacSuite } from './suites/rbac.ts'
import { registrySuite } from './suites/registry.ts'
import { rolesSuite } from './suites/roles.ts'
import { scopeSuite } from './suites/scope.ts'
import { tripsSuite } from './suites/trips.ts'
import { webhookSuite } from './suites/webhooks.ts'

async function main(options: Options): Promise<void> {
  const started = performance.now()
  const [load = 0] = loadavg()
  if (load > availableParallelism() / 2)
    say(`the machine is busy (load ${load.toFixed(1)}): do not trust the figures`)
  const bench = await startBench(options.url)
  try {
    const results = await runSuites(bench, options)
    const seconds = Math.round((performance.now() - started) / 1_000)
    const machine = {
      node: process.version,
      postgres: `${Math.floor(bench.server.version / 10_000)}.${bench.server.version % 10_000}`,
      cpus: availableParallelism(),
      load,
      effort: options.effort.name,
      seconds,
    }
    await publish({ machine, results }, options)
  } finally {
    await bench.stop()
  }
}

async function runSuites(bench: Bench, { suites, effort }: Options): Promise<SuiteResult[]> {
  let many: Promise<ManyTenants> | undefined
  const manyTenants = () => {
    many ??= createManyTenants(bench, effort.tenants)
    return many
  }
  const run = {
    trips: () => tripsSuite(bench),
    scope: () => scopeSuite(bench, effort),
    roles: async () => rolesSuite(await manyTenants(), effort),
    provision: () => provisionSuite(bench, effort),
    memory: async () => memorySuite(await manyTenants()),
    fleet: () => fleetSuite(bench, effort),
    registry: () => registrySuite(bench, effort),
    crypto: () => cryptoSuite(bench, effort),
    rbac: () => rbacSuite(bench, effort),
    outbox: () => outboxSuite(bench, effort),
    webhooks: () => webhookSuite(bench, effort),
    governance: () => governanceSuite(bench, effort),
    hub: () => hubSuite(bench, effort),
  }
  const results: SuiteResult[] = []
  for (const suite of suites) {
    say(suite)
    results.push(await run[suite]())
  }
  return results
}

async function publish(report: Report, { json, out }: Options): Promise<void> {
  const { machine, results } = report
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : render(results))
  if (out !== undefined) say(`wrote ${(await write(out, report)).join(', ')}`)
  say(
    `${machine.effort}, ${machine.seconds} s, PostgreSQL ${machine.postgres}, Node ${machine.node}, ${machine.cpus} cores`,
  )
  // A missed target is a finding; a wrong number of round trips is a bug.
  const wrong = results
    .flatMap((result) => result.counts ?? [])
    .filter((count) => count.trips !== count.expected)
  if (wrong.length === 0) return
  say(`round trips are not what they must be: ${wrong.map(({ work }) => work).join(', ')}`)
  process.exitCode = 1
}

/** Progress goes to stderr, so that `--json` can be piped. */
function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`)
}

function optionsOrUsage(): Options | undefined {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (!options) process.stdout.write(`${USAGE}\n`)
    return options
  } catch (error) {
    say(`${(error as Error).message}\n\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

const options = optionsOrUsage()
if (options) await main(options)
