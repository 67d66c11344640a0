import type { ProcessorTime } from './processor.ts'
import { type Spread, spreadOf } from './statistics.ts'

/** One way of doing the work that is compared. */
export interface Contender {
  readonly name: string
  /** Does the work once. */
  run(): Promise<unknown>
  /** Its failures are counted instead of ending the benchmark: for what is measured beyond its own limits. */
  readonly mayFail?: boolean
  close?(): Promise<unknown>
}

export interface Plan {
  /** How many at once. */
  readonly concurrency: number
  /** Milliseconds of one slice; every lane does at least one operation. */
  readonly sliceMs: number
  readonly rounds: number
  /** First rounds that are thrown away: connections, caches and compiled code settle in them. */
  readonly warmUp: number
  /** Also tells how long both sides were on a processor. */
  readonly processor?: (() => ProcessorTime) | undefined
}

/** What one contender cost, round by round. */
export interface Measured {
  readonly name: string
  /** Milliseconds of wall clock for each operation, one figure a round. */
  readonly cost: readonly number[]
  /** Milliseconds on a processor for each operation, one figure a round; none where nobody could tell. */
  readonly processor: readonly ProcessorTime[]
  readonly failures: number
}

/**
 * Measures all contenders in one run: each round gives every one of them a short slice, in a new random order, so
 * that whatever else the machine does in that second hits all of them alike. Figures of one round belong together.
 */
export async function interleave(contenders: readonly Contender[], plan: Plan): Promise<Measured[]> {
  const measured = contenders.map(({ name }) => ({
    name,
    cost: [] as number[],
    processor: [] as ProcessorTime[],
    failures: 0,
  }))
  for (let round = -plan.warmUp; round < plan.rounds; round++) {
    for (const at of shuffled(contenders.length)) {
      const [contender, entry] = [contenders[at], measured[at]]
      if (!contender || !entry) continue
      const slice = await runSlice(contender, plan)
      if (round < 0) continue
      entry.cost.push(slice.cost)
      if (slice.processor) entry.processor.push(slice.processor)
      entry.failures += slice.failures
    }
  }
  return measured
}

async function runSlice(contender: Contender, { concurrency, sliceMs, processor }: Plan) {
  let [operations, failures] = [0, 0]
  const before = processor?.()
  const started = performance.now()
  const lane = async () => {
    do {
      try {
        await contender.run()
      } catch (error) {
        if (!contender.mayFail) throw error
        failures++
      }
      operations++
    } while (performance.now() - started < sliceMs)
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  const cost = (performance.now() - started) / operations
  const after = processor?.()
  const spent = before &&
    after && {
      client: (after.client - before.client) / operations,
      server: (after.server - before.server) / operations,
    }
  return { cost, failures, processor: spent }
}

/** Cost of one contender over that of another in the same round, for all rounds. */
export function ratio(measured: readonly Measured[], name: string, reference: string): Spread {
  const [of, to] = [costOf(measured, name), costOf(measured, reference)]
  return spreadOf(of.map((cost, round) => cost / (to[round] ?? Number.NaN)))
}

/** The same of the time both sides were on a processor; `undefined` where nobody could tell. */
export function processorRatio(
  measured: readonly Measured[],
  name: string,
  reference: string,
): Spread | undefined {
  const [of, to] = [name, reference].map((one) =>
    (measured.find((entry) => entry.name === one)?.processor ?? []).map(
      ({ client, server }) => client + server,
    ),
  )
  if (!of?.length || !to?.length) return undefined
  return spreadOf(of.map((cost, round) => cost / (to[round] ?? Number.NaN)))
}

/** The same as a column of a table. */
export function processorOf(
  measured: readonly Measured[],
  name: string,
  reference: string,
): { readonly processor?: { client: number; server: number; ratio: Spread } } {
  const both = processorRatio(measured, name, reference)
  const times = measured.find((one) => one.name === name)?.processor ?? []
  if (!both) return {}
  const microseconds = (of: readonly number[]) => spreadOf(of).median * 1_000
  return {
    processor: {
      client: microseconds(times.map(({ client }) => client)),
      server: microseconds(times.map(({ server }) => server)),
      ratio: both,
    },
  }
}

export function costOf(measured: readonly Measured[], name: string): readonly number[] {
  const found = measured.find((one) => one.name === name)
  if (!found) throw new Error(`no contender is called ${name}`)
  return found.cost
}

/** 0 … length - 1 in random order (Fisher–Yates). */
function shuffled(length: number): number[] {
  const order = Array.from({ length }, (_, at) => at)
  for (let at = length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    const [a, b] = [order[at] ?? at, order[other] ?? other]
    order[at] = b
    order[other] = a
  }
  return order
}
