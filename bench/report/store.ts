import { readFile } from 'node:fs/promises'
import type { SuiteResult } from './result.ts'

/** What a suite was measured on, and when. */
export interface Machine {
  /** The day, as `2026-11-29`. */
  readonly date: string
  readonly node: string
  readonly postgres: string
  readonly cpus: number
  /** Processes that wanted to run when the suite began, its own not counted: above `cpus` figures are unsound. */
  readonly load: number
  readonly effort: string
  readonly runs: number
}

/** One suite's figures, from the last time it ran. */
export interface Measurement {
  readonly machine: Machine
  readonly result: SuiteResult
}

/** All suites, by their name. */
export type Measurements = ReadonlyMap<string, Measurement>

/** What was measured before; nothing where there is no file, or one of another shape. */
export async function read(file: string): Promise<Measurements> {
  try {
    const { suites } = JSON.parse(await readFile(file, 'utf8')) as { suites?: Record<string, Measurement> }
    return new Map(Object.entries(suites ?? {}))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
}

/** Four digits say all that such a measurement knows. */
export function textOf(measurements: Measurements): string {
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
  return `${JSON.stringify({ suites: Object.fromEntries(measurements) }, rounded, 2)}\n`
}
