import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { type Options, parseOptions, USAGE } from './options.ts'
import { writeFigures } from './report/figures.ts'
import type { SuiteResult } from './report/result.ts'
import { asOne } from './report/runs.ts'
import { type Measurement, textOf } from './report/store.ts'
import { render } from './report/terminal.ts'
import { write } from './report/write.ts'
import { type Bench, startBench } from './server.ts'
import { archiveSuite } from './suites/archive.ts'
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
  const load = busyness()
  const bench = await startBench(options.url)
  try {
    const results = await runSuites(bench, options)
    const { version } = bench.server
    const measured = new Map<string, Measurement>()
    for (const [suite, runs] of results) {
      const machine = {
        date: new Date().toISOString().slice(0, 10),
        node: process.version,
        postgres: `${Math.floor(version / 10_000)}.${version % 10_000}`,
        cpus: availableParallelism(),
        load,
        effort: options.effort.name,
        runs: runs.length,
      }
      measured.set(suite, { machine, result: asOne(runs) })
    }
    await publish(measured, options)
  } finally {
    await bench.stop()
  }
}

function busyness(): number {
  const [load = 0] = loadavg()
  if (load > availableParallelism() / 2)
    say(`the machine is busy (load ${load.toFixed(1)}): do not trust the figures`)
  return load
}

/** All suites once, then again as often as asked for, as long as there is time for it. */
async function runSuites(
  bench: Bench,
  { suites, effort, runs, minutes }: Options,
): Promise<Map<string, SuiteResult[]>> {
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
    archive: () => archiveSuite(effort),
    crypto: () => cryptoSuite(bench, effort),
    rbac: () => rbacSuite(bench, effort),
    outbox: () => outboxSuite(bench, effort),
    webhooks: () => webhookSuite(bench, effort),
    governance: () => governanceSuite(bench, effort),
    hub: () => hubSuite(bench, effort),
  }
  const began = performance.now()
  const results = new Map<string, SuiteResult[]>()
  const took = new Map<string, number>()
  for (let time = 1; time <= runs; time++) {
    for (const suite of suites) {
      const elapsed = performance.now() - began
      if (time > 1 && elapsed + (took.get(suite) ?? 0) > minutes * 60_000) continue
      say(runs === 1 ? suite : `${suite}, run ${time} of ${runs}`)
      try {
        results.set(suite, [...(results.get(suite) ?? []), await run[suite]()])
      } catch (error) {
        // What the others measured is not lost with it.
        say(`${suite} failed: ${error instanceof Error ? error.stack : String(error)}`)
        process.exitCode = 1
      }
      took.set(suite, performance.now() - began - elapsed)
    }
  }
  const seconds = [...took].map(([suite, ms]) => `${suite} ${(ms / 1_000).toFixed(0)}`)
  say(`seconds of a run: ${seconds.join(', ')}`)
  return results
}

async function publish(measured: Map<string, Measurement>, { json, out, figures }: Options): Promise<void> {
  const results = [...measured.values()].map(({ result }) => result)
  process.stdout.write(json ? textOf(measured) : render(results))
  if (out !== undefined) {
    const all = await write(out, measured)
    const changed = figures ? await writeFigures(join(import.meta.dirname, '..'), all) : []
    say(`wrote ${[out, ...changed].join(', ')}`)
  }
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
