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

/** Makes guards of one folder of sources, named by where they are and what they say. */
export function guardsIn(root: string, tests: Guard['tests']) {
  return (file: string, find: string, replace: string, equivalent?: string): Guard => ({
    name: `${root.split('/')[1]}/${file}: ${oneLine(find)}${replace === '' ? '' : ` → ${oneLine(replace)}`}`.slice(
      0,
      150,
    ),
    file: root + file,
    find,
    replace,
    tests,
    ...(equivalent !== undefined && { equivalent }),
  })
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

/** Which test folders of `@org/crypto` look after a source folder, where the names differ. */
const CRYPTO_TESTS: Readonly<Record<string, readonly string[]>> = {
  envelope: ['envelope', 'keys', 'settings'],
}

/** A guard of `@org/crypto`. */
export function cryptoGuard(file: string, find: string, replace: string, equivalent?: string): Guard {
  const folder = file.slice(0, file.indexOf('/'))
  const tests = [(CRYPTO_TESTS[folder] ?? [folder]).map((name) => `packages/crypto/test/${name}`)]
  return guardsIn('packages/crypto/src/', tests)(file, find, replace, equivalent)
}
