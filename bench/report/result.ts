import type { Spread } from '../measure/statistics.ts'

/** One way of doing the work, next to its reference. */
export interface Line {
  readonly name: string
  /** Over the reference of the same round. */
  readonly ratio: Spread
  /** Context only: it depends on the machine. */
  readonly absolute: number
  /** Microseconds on a processor of client and server, and both together over the reference's. */
  readonly processor?: { readonly client: number; readonly server: number; readonly ratio: Spread }
  /** Megabytes of its own that a backend holds at the end. */
  readonly backend?: number
  readonly failures?: number
  /** How a chart shows it. */
  readonly kind?: 'ours' | 'other' | 'limit'
}

/** Contenders of one run on one link. */
export interface Scenario {
  readonly id: string
  readonly title: string
  readonly reference: string
  /** What `ratio` compares and `absolute` counts. */
  readonly unit: 'ms' | 'per second'
  readonly lines: readonly Line[]
}

interface Target {
  readonly bound: 'at most' | 'at least'
  readonly value: number
}

/** A row of the table of targets. */
export interface Finding {
  readonly work: string
  readonly reference: string
  readonly measured: number
  /** First and third quartile, where rounds were measured. */
  readonly spread?: Omit<Spread, 'median'>
  readonly target?: Target
  readonly note?: string
  /** Why a target cannot be met, for the table of a README: measured, not supposed. */
  readonly because?: string
  /** How often the suite ran; `spread` is then the least and the most of the runs' medians. */
  readonly runs?: number
}

/** An exact number of round trips: not a measurement but a fact. */
export interface Count {
  readonly work: string
  readonly trips: number
  readonly expected: number
}

export interface SuiteResult {
  readonly suite: string
  readonly scenarios?: readonly Scenario[]
  readonly findings?: readonly Finding[]
  readonly counts?: readonly Count[]
  readonly notes?: readonly string[]
}

export function meets(finding: Finding): boolean | undefined {
  const { target, measured } = finding
  if (!target) return undefined
  return target.bound === 'at most' ? measured <= target.value : measured >= target.value
}

export function finding(
  work: string,
  reference: string,
  ratio: Spread,
  target?: Target,
  note?: string,
  because?: string,
): Finding {
  return {
    work,
    reference,
    measured: ratio.median,
    spread: { q1: ratio.q1, q3: ratio.q3 },
    ...(target && { target }),
    ...(note && { note }),
    ...(because && { because }),
  }
}

export const atMost = (value: number): Target => ({ bound: 'at most', value })
export const atLeast = (value: number): Target => ({ bound: 'at least', value })
