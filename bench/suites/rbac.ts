import {
  accessControlCheck,
  buildCasl,
  buildOurs,
  type Check,
  casbinCheck,
  caslCheck,
  caslRules,
  cedarCheck,
  type Grants,
  grantsOf,
} from '../../packages/rbac/test/support/contenders.ts'
import { type Contender, costOf, interleave, type Measured, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, type Finding, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'
import { rbacStoreSuite } from './rbac-store.ts'

const FEW = 1_000
const MANY = 100_000

const NAME = {
  set: 'Set.has',
  ours: 'can',
  timed: 'can, with a package that will expire',
  stopped: 'can, the same as of the start of a request',
  setAndClock: 'Set.has and Date.now',
  setMany: 'Set.has of 100,000',
  overlapping: 'can, 100,000 grants of 1,000 actions',
  oursMany: 'can, 100,000 grants of as many actions',
  casl: 'CASL, built beforehand',
  accessControl: 'accesscontrol',
  cedar: 'cedar-wasm, parsed beforehand',
  casbin: 'casbin',
  buildSet: 'new Set',
  buildOurs: 'createEvaluator',
  buildCasl: 'createMongoAbility (CASL)',
} as const

/** Does its work `times` in one run: a clock read between two checks would cost more than they do. */
interface Repeated {
  readonly name: string
  readonly times: number
  run(): unknown
}

/** A permission check, and building what it needs, from 1,000 and from 100,000 grants; then the store under load. */
export async function rbacSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const [few, many] = [grantsOf(FEW), grantsOf(MANY)]
  const checks = await measure([...sets(few, many), ...ours(few, many), ...(await others(few))], effort)
  const builds = await measure(builders(few), effort)
  const stored = await rbacStoreSuite(bench, effort)
  const notes = [...checks, ...builds].map(
    ({ name, cost }) => `${name}: ${Math.round(spreadOf(cost).median * 1e6).toLocaleString('en')} ns`,
  )
  return {
    suite: 'rbac',
    findings: [...ofChecks(checks), ...ofBuilds(builds), ...(stored.findings ?? [])],
    notes: [...notes, ...(stored.notes ?? [])],
  }
}

/** All in one run, then brought down to the cost of one time. */
async function measure(repeated: readonly Repeated[], effort: Effort): Promise<Measured[]> {
  const contenders = repeated.map(({ name, run }): Contender => ({ name, run: async () => run() }))
  const measured = await interleave(contenders, {
    concurrency: 1,
    sliceMs: effort.loopbackSliceMs,
    rounds: effort.rounds,
    warmUp: effort.warmUp,
  })
  return measured.map((one, at) => ({
    ...one,
    cost: one.cost.map((cost) => cost / (repeated[at]?.times ?? 1)),
  }))
}

function ofChecks(checks: readonly Measured[]): Finding[] {
  const over = (name: string, reference: string) => ratio(checks, name, reference)
  return [
    finding(NAME.ours, NAME.set, over(NAME.ours, NAME.set), atMost(2)),
    finding(NAME.overlapping, NAME.set, over(NAME.overlapping, NAME.set), atMost(2)),
    finding(NAME.oursMany, NAME.setMany, over(NAME.oursMany, NAME.setMany), atMost(2)),
    finding(NAME.stopped, NAME.set, over(NAME.stopped, NAME.set), atMost(2)),
    finding(NAME.timed, NAME.setAndClock, over(NAME.timed, NAME.setAndClock), atMost(2)),
    finding(NAME.timed, NAME.set, over(NAME.timed, NAME.set), undefined, 'nearly all of it is Date.now'),
    ...[NAME.casl, NAME.accessControl, NAME.cedar, NAME.casbin].map((other) =>
      finding(other, NAME.ours, over(other, NAME.ours)),
    ),
  ]
}

function ofBuilds(builds: readonly Measured[]): Finding[] {
  const note = `${Math.round(spreadOf(costOf(builds, NAME.buildOurs)).median * 1e3)} µs, every field checked`
  return [
    finding(
      `${NAME.buildOurs}, 1,000 grants`,
      NAME.buildCasl,
      ratio(builds, NAME.buildOurs, NAME.buildCasl),
      atMost(1),
      note,
    ),
  ]
}

// A few nanoseconds a check: each has a loop of its own, so that the engine compiles each for itself.

function sets(few: Grants, many: Grants): Repeated[] {
  const [set, setMany] = [new Set(few.keys), new Set(many.keys)]
  const run = () => {
    let hits = 0
    for (const key of few.asked) if (set.has(key)) hits++
    return hits
  }
  const runMany = () => {
    let hits = 0
    for (const key of many.asked) if (setMany.has(key)) hits++
    return hits
  }
  const runClock = () => {
    let hits = 0
    for (const key of few.asked) if (set.has(key) && Date.now() < 9e15) hits++
    return hits
  }
  return [
    { name: NAME.setAndClock, times: few.asked.length, run: runClock },
    { name: NAME.set, times: few.asked.length, run },
    { name: NAME.setMany, times: many.asked.length, run: runMany },
  ]
}

function ours(few: Grants, many: Grants): Repeated[] {
  const packages = few.snapshot.packages.map((one) => ({ ...one, expiresAt: '2999-01-01T00:00:00Z' }))
  const timed = buildOurs({ ...few, snapshot: { ...few.snapshot, packages } })
  const [steady, steadyMany] = [buildOurs(few), buildOurs(many)]
  const overlapping = buildOurs(grantsOf(FEW, MANY / FEW))
  const run = () => {
    let hits = 0
    for (const key of few.asked) if (steady.can(key)) hits++
    return hits
  }
  const runOverlapping = () => {
    let hits = 0
    for (const key of few.asked) if (overlapping.can(key)) hits++
    return hits
  }
  const runMany = () => {
    let hits = 0
    for (const key of many.asked) if (steadyMany.can(key)) hits++
    return hits
  }
  const runTimed = () => {
    let hits = 0
    for (const key of few.asked) if (timed.can(key)) hits++
    return hits
  }
  const stopped = timed.asOf(Date.now())
  const runStopped = () => {
    let hits = 0
    for (const key of few.asked) if (stopped.can(key)) hits++
    return hits
  }
  return [
    { name: NAME.stopped, times: few.asked.length, run: runStopped },
    { name: NAME.ours, times: few.asked.length, run },
    { name: NAME.overlapping, times: few.asked.length, run: runOverlapping },
    { name: NAME.oursMany, times: many.asked.length, run: runMany },
    { name: NAME.timed, times: few.asked.length, run: runTimed },
  ]
}

async function others(few: Grants): Promise<Repeated[]> {
  const repeated = (name: string, times: number, check: Check): Repeated => {
    let next = 0
    const run = () => {
      for (let time = 0; time < times; time++) {
        next = (next + 1) % few.asked.length
        if (!check(next)) throw new Error(`${name} refuses what is granted`)
      }
    }
    return { name, times, run }
  }
  return [
    repeated(NAME.casl, few.asked.length, caslCheck(few)),
    repeated(NAME.accessControl, 64, accessControlCheck(few)),
    repeated(NAME.cedar, 8, cedarCheck(few)),
    repeated(NAME.casbin, 1, await casbinCheck(few)),
  ]
}

function builders(few: Grants): Repeated[] {
  const rules = caslRules(few)
  return [
    { name: NAME.buildSet, times: 1, run: () => new Set(few.keys) },
    { name: NAME.buildOurs, times: 1, run: () => buildOurs(few) },
    { name: NAME.buildCasl, times: 1, run: () => buildCasl(rules) },
  ]
}
