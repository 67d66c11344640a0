import { invalidOption } from '@org/core'
import type { GaugeValue, Labels, Meter } from './meter.ts'

/** A {@link Meter} that Prometheus can read. */
export interface PrometheusMeter extends Meter {
  /** All there is, in Prometheus' text format 0.0.4 (`text/plain; version=0.0.4`). */
  text(): Promise<string>
}

/** Seconds: from a look-up by key to a job of minutes. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60] as const
/** Of one metric; what comes later is dropped. Labels are bounded where they are made; this is the last line. */
const MAX_SERIES = 2_000

interface Series {
  readonly labels: string
  sum: number
  count: number
  /** Of histograms, for each bucket. */
  readonly buckets: number[]
}

/**
 * Keeps numbers in memory for `GET /metrics`, without a dependency. For a process that has `prom-client` already, a
 * {@link Meter} over that takes a few lines.
 *
 * @example
 * ```ts
 * import { observe, prometheus } from '@org/pg-tenant/observe'
 * import { Hono } from 'hono'
 *
 * const meter = prometheus()
 * observe(meter)
 * meter.gauge('pool_waiting', 'Scopes that wait for a connection', () => pool.waitingCount)
 * new Hono().get('/metrics', async (c) => c.text(await meter.text()))
 * ```
 */
export function prometheus(): PrometheusMeter {
  const texts = new Map<string, () => string | Promise<string>>()
  const add = (name: string, render: () => string | Promise<string>) => {
    if (!/^[a-z][a-z0-9_]{0,99}$/.test(name)) throw invalidOption('name', "a metric's name: [a-z][a-z0-9_]*")
    if (texts.has(name)) throw invalidOption('name', 'a name that is not in use')
    texts.set(name, render)
  }
  return {
    counter: (name, help) => {
      const family = seriesOf([])
      add(name, () =>
        textOf(
          name,
          help,
          'counter',
          [...family.all()].flatMap((one) => line(name, one.labels, one.sum)),
        ),
      )
      return (by, labels) => family.record(by, labels)
    },
    histogram: (name, help) => {
      const family = seriesOf(BUCKETS)
      add(name, () =>
        textOf(
          name,
          help,
          'histogram',
          [...family.all()].flatMap((one) => histogramLines(name, one)),
        ),
      )
      return (value, labels) => family.record(value, labels)
    },
    gauge: (name, help, read) =>
      add(name, async () => textOf(name, help, 'gauge', await gaugeLines(name, read))),
    text: async () => (await Promise.all([...texts.values()].map((render) => render()))).join(''),
  }
}

function seriesOf(bounds: readonly number[]) {
  const known = new Map<string, Series>()
  return {
    all: () => known.values(),
    record: (value: number, labels: Labels) => {
      const key = labelsOf(labels)
      let one = known.get(key)
      if (one === undefined) {
        if (known.size >= MAX_SERIES) return
        one = { labels: key, sum: 0, count: 0, buckets: bounds.map(() => 0) }
        known.set(key, one)
      }
      one.sum += value
      one.count++
      const at = bounds.findIndex((bound) => value <= bound)
      if (at >= 0) one.buckets[at] = (one.buckets[at] ?? 0) + 1
    },
  }
}

const line = (name: string, labels: string, value: number): string =>
  `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`

function histogramLines(name: string, { labels, sum, count, buckets }: Series): string[] {
  const more = labels === '' ? '' : `${labels},`
  let below = 0
  return [
    ...buckets.map((n, at) => {
      below += n
      return line(`${name}_bucket`, `${more}le="${BUCKETS[at]}"`, below)
    }),
    line(`${name}_bucket`, `${more}le="+Inf"`, count),
    line(`${name}_sum`, labels, sum),
    line(`${name}_count`, labels, count),
  ]
}

async function gaugeLines(name: string, read: () => GaugeValue | Promise<GaugeValue>): Promise<string[]> {
  try {
    const value = await read()
    if (typeof value === 'number') return [line(name, '', value)]
    return Object.entries(value).map(([state, n]) => line(name, labelsOf({ state }), n))
  } catch {
    // What could not be asked is left out: Prometheus then knows that it does not know.
    return []
  }
}

const textOf = (name: string, help: string, kind: string, lines: readonly string[]): string =>
  lines.length === 0
    ? ''
    : `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${kind}\n${lines.join('')}`

/** On every scope and statement: what needs no escape, which is nearly all, is taken as it is. */
function labelsOf(labels: Labels): string {
  let text = ''
  for (const [name, value] of Object.entries(labels))
    text += `${text === '' ? '' : ','}${name}="${ESCAPED.test(value) ? escaped(value) : value}"`
  return text
}

const ESCAPED = /[\\"\n]/

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
