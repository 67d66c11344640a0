/** Tests that may run in neither set where CI runs them, and why. */
const MAY: readonly (readonly [name: RegExp, why: string])[] = [
  [/ > SKIPPED: /, 'says what is missing, where it is missing'],
  [/^pg-tenant test\/citus\//, 'needs Citus'],
  [/^pg-tenant test\/http\/per-call\b.* > Web, .* > answers a route without the middleware /, 'has none'],
  [
    /^pg-tenant test\/http\/per-request\b.* > (?:Hono|Web), .* > does nothing for a client that goes away /,
    'do not tell',
  ],
  [
    /^pg-tenant test\/session\/(?:keep-statements|replaced)\b.* > level (?:login|database) > (?:another tenant (?:runs what|does not run)|tenants in turn|names are not believed|a listener of the pool)/,
    'a session is one tenant’s',
  ],
  [
    /^pg-tenant test\/move\/ahead\b.* > level (?:schema|login) > is finished by the same call /,
    '`role` and `database` have it',
  ],
  [/^pg-tenant test\/lifecycle\/ready\/.* level schema > do not take the name of a role /, 'has no roles'],
  [/^pg-tenant test\/faults\/disk-full\b/, 'needs a file system in memory, which not every root may mount'],
  [/^pg-tenant test\/hostile\/hostile\b.* > level row > refuses no archive /, 'a tenant has no code'],
  [/^governance test\/outbox\/publish\b.* > refuses what is too long together$/, 'is of level `schema`'],
  [
    /^governance test\/attacks\b.* > level database > nor does it as the role /,
    'which has a role of its own',
  ],
  [/^pg-tenant test\/row\/key-types\b.* type text > have one key for a value$/, 'text has'],
]

/** In the name of a test: each run has others. */
const ID = /[0-9a-f]{8}[0-9a-f-]*…?/g

/**
 * Tests that no run has run, by what {@link RanReporter} wrote in all of them: tagged for the slow set, and skipped there.
 *
 * @param lines what it wrote
 */
export function ranNowhere(lines: string): string[] {
  const ran = new Set<string>()
  const seen = new Set<string>()
  for (const line of lines.split('\n')) {
    const [what, told] = line.split('\t')
    const name = told?.replaceAll(ID, '#')
    if (name === undefined) continue
    seen.add(name)
    if (what === 'ran') ran.add(name)
  }
  return [...seen].filter((name) => !ran.has(name) && !MAY.some(([may]) => may.test(name))).sort()
}
