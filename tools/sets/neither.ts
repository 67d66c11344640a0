/** Tests that may run in neither set where CI runs: why. */
const MAY: readonly (readonly [name: RegExp, why: string])[] = [
  [/ > SKIPPED: /, 'says what is missing, where it is missing'],
]

/**
 * Tests that no run has run, by what {@link RanReporter} wrote in all of them: tagged for the slow set, and skipped there.
 *
 * @param told its lines
 */
export function ranNowhere(told: string): string[] {
  const ran = new Set<string>()
  const seen = new Set<string>()
  for (const line of told.split('\n')) {
    const [what, name] = line.split('\t')
    if (name === undefined) continue
    seen.add(name)
    if (what === 'ran') ran.add(name)
  }
  return [...seen].filter((name) => !ran.has(name) && !MAY.some(([may]) => may.test(name))).sort()
}
