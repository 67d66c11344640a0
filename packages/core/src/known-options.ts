import { TenancyError } from './tenancy-error.ts'

/** The names of an options object, each once: `satisfies Record<keyof Options, true>` keeps it complete. */
export type OptionNames<T extends object> = Readonly<Record<keyof T, true>>

/**
 * Refuses options that there are not: a misspelt limit would otherwise silently not hold.
 *
 * @param options what a caller handed in; anything but an object is somebody else's to refuse
 * @param within the option that holds these, e.g. `tenantPools`
 * @throws TenancyError INVALID_OPTION with the name, and the nearest one there is
 * @example
 * ```ts
 * import { type OptionNames, requireKnownOptions } from '@org/core'
 *
 * interface Options {
 *   readonly retries?: number
 *   readonly timeout?: number
 * }
 * const NAMES = { retries: true, timeout: true } satisfies OptionNames<Options>
 * requireKnownOptions({ timeout: 5 }, NAMES)
 * requireKnownOptions({ timeuot: 5 }, NAMES) // → throws INVALID_OPTION
 * ```
 */
export function requireKnownOptions(
  options: unknown,
  names: Readonly<Record<string, true>>,
  within?: string,
): void {
  if (typeof options !== 'object' || options === null) return
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(names, name)) throw unknownOption(name, Object.keys(names), within)
  }
}

/**
 * The error for an option that there is not.
 *
 * @example
 * ```ts
 * import { unknownOption } from '@org/core'
 *
 * unknownOption('timeuot', ['retries', 'timeout']).message // → 'There is no option "timeuot". Did you mean "timeout"?'
 * ```
 */
export function unknownOption(name: string, known: readonly string[], within?: string): TenancyError {
  const shown = name.slice(0, 40)
  const option = within === undefined ? shown : `${within}.${shown}`
  const nearest = nearestName(shown, known)
  const advice = nearest === undefined ? `There are: ${known.join(', ')}.` : `Did you mean "${nearest}"?`
  return new TenancyError('INVALID_OPTION', `There is no option "${option}". ${advice}`, {
    details: { option, ...(nearest !== undefined && { nearest }) },
  })
}

/** The name that takes the fewest edits, if they are few: half of the letters would be any name. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((one) => ({ one, edits: editsBetween(name.toLowerCase(), one.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  return best && best.edits <= Math.max(2, Math.floor(best.one.length / 3)) ? best.one : undefined
}

/** Insertions, deletions, replacements and swaps of neighbours (Damerau; optimal string alignment) that make `a` of `b`. */
function editsBetween(a: string, b: string): number {
  let [before, above]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let row = 1; row <= a.length; row++) {
    const here = [row]
    for (let at = 1; at <= b.length; at++) {
      const same = a[row - 1] === b[at - 1]
      const swapped = row > 1 && at > 1 && a[row - 1] === b[at - 2] && a[row - 2] === b[at - 1]
      here[at] = Math.min(
        (above[at] ?? 0) + 1,
        (here[at - 1] ?? 0) + 1,
        (above[at - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (before[at - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    ;[before, above] = [above, here]
  }
  return above[b.length] ?? 0
}
