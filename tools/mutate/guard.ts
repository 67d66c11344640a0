/** One guard and how to take it out: `find` must occur exactly once in `file`. */
export interface Guard {
  /** What it guards against; letters are the hazards of the threat model (SECURITY.md). */
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The test folders that must notice, quick ones first; each is run only if those before it noticed nothing. */
  readonly tests: readonly (readonly string[])[]
  /** Why no test can tell the difference, for a mutant that behaves the same. */
  readonly equivalent?: string
}

/** The tests that exercise the scope's guards; those of the testing tools themselves are left out. */
export const SCOPE_TESTS: Guard['tests'] = [
  [
    'packages/core/test',
    'packages/pg-tenant/test/scope',
    'packages/pg-tenant/test/lifecycle',
    'packages/pg-tenant/test/registry',
    'packages/pg-tenant/test/sql',
    'packages/pg-tenant/test/tenancy-options',
  ],
  ['packages/pg-tenant/test/hazards', 'packages/pg-tenant/test/drizzle'],
]

/** Which test folder of `@org/crypto` looks after which source folder, where the names differ. */
const CRYPTO_TESTS: Readonly<Record<string, readonly string[]>> = {
  envelope: ['envelope', 'keys', 'settings'],
}

/** A guard of `@org/crypto`, named by where it is and what it says. */
export function cryptoGuard(file: string, find: string, replace: string, equivalent?: string): Guard {
  const folder = file.slice(0, file.indexOf('/'))
  return {
    name: `crypto/${file}: ${find.trim().replace(/\s+/g, ' ')}${replace === '' ? '' : ` → ${replace.trim()}`}`.slice(
      0,
      150,
    ),
    file: `packages/crypto/src/${file}`,
    find,
    replace,
    tests: [(CRYPTO_TESTS[folder] ?? [folder]).map((name) => `packages/crypto/test/${name}`)],
    ...(equivalent !== undefined && { equivalent }),
  }
}
