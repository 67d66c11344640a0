import type { IsolationLevel } from '../../src/index.ts'

/** What a cell of the README's table says. */
export interface Claim {
  readonly stopped: boolean
  /** How, or what is left; in the README's words. */
  readonly words: string
  /** What the attack on it reports: `got …` where it had what it wanted (table.test.ts). */
  readonly seen: string
}

const stopped = (words: string, seen: string): Claim => ({ stopped: true, words, seen })
const open = (words: string, seen: string): Claim => ({ stopped: false, words, seen })

/** In the order of the table. */
export const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login', 'row', 'database']

export const SEPARATED_BY: Readonly<Record<IsolationLevel, string>> = {
  schema: 'the search path',
  role: 'the path and a role without login for each tenant',
  login: 'a schema, a login role and connections of its own for each tenant',
  row: 'shared tables, forced row-level security on `app.tenant_id`',
  database: 'a database and a login role for each tenant',
}

const DENIED = stopped('permission denied', 'refused with 42501')

const UNDECLARED = stopped(
  '`provision`, `verify` and `doctor` refuse what `sharedTables` does not declare',
  'rows of the shared table; no tenant is made (INVALID_OPTION), doctor says so',
)

/** What may go wrong → what becomes of it at each level. */
export const CLAIMS = {
  mistakes: {
    title: 'a forgotten `where`, a wrong path or setting left on the connection',
    schema: stopped('', 'own rows only'),
    role: stopped('', 'own rows only'),
    login: stopped('', 'own rows only'),
    row: stopped('', 'own rows only'),
    database: stopped('', 'own rows only'),
  },
  names: {
    title: 'qualified names (`c_other.notes`)',
    schema: open('', 'got rows of the other tenant'),
    role: DENIED,
    login: DENIED,
    row: stopped('they name its own rows', 'own rows only'),
    database: stopped('not in the catalogue', 'refused with 42P01'),
  },
  switching: {
    title: 'hostile SQL that switches role or setting and back',
    schema: open('needs not even switch', 'got rows of the other tenant, and forged one'),
    role: open('', 'got rows of the other tenant, and forged one'),
    login: stopped('no other role to switch to', 'refused with 42501'),
    row: open('', 'got rows of the other tenant, and forged one'),
    database: stopped('no other role to switch to', 'refused with 42501'),
  },
  planted: {
    title: 'what a tenant planted, run by a migration, a restore or another call of an administrator',
    schema: stopped('never the administrator’s rights', 'nothing was had'),
    role: stopped('never the administrator’s rights', 'nothing was had'),
    login: stopped('that tenant’s rights alone', 'nothing was had'),
    row: stopped('a tenant owns no code', 'refused with 42501'),
    database: stopped('that tenant’s rights alone', 'nothing was had'),
  },
  outside: {
    title: 'a query on the pool itself, outside any scope',
    schema: open('', 'got rows of the other tenant'),
    role: DENIED,
    login: DENIED,
    row: stopped('no rows', 'no rows'),
    database: stopped('not in the catalogue', 'refused with 42P01'),
  },
  fallthrough: {
    title: 'a table that the tenant lacks and `public` has',
    schema: UNDECLARED,
    role: UNDECLARED,
    login: UNDECLARED,
    row: UNDECLARED,
    database: stopped('a `public` of its own', 'refused with 42P01'),
  },
  sizes: {
    title: "others' tables and sizes in the catalogue",
    schema: open('', 'got the growth of the other tenant'),
    role: open('', 'got the growth of the other tenant'),
    login: open('', 'got the growth of the other tenant'),
    row: open('the size of all together', 'got the growth of the other tenant'),
    database: stopped('', 'nothing is seen to grow'),
  },
  existence: {
    title: 'who else is a tenant',
    schema: open('the registry, names of schemas', 'got the registry, names of schemas'),
    role: open('names of schemas and roles', 'got names of schemas, names of roles'),
    login: open('names of schemas and roles', 'got names of schemas, names of roles'),
    row: open('the registry', 'got the registry'),
    database: open('names of databases and roles', 'got names of roles, names of databases'),
  },
  connections: {
    title: 'one tenant taking all connections',
    schema: open('one pool for all', 'got all connections'),
    role: open('one pool for all', 'got all connections'),
    login: stopped('`maxPerTenant`', 'the other tenant is served'),
    row: open('one pool for all', 'got all connections'),
    database: stopped('`maxPerTenant`', 'the other tenant is served'),
  },
} as const satisfies Record<string, { readonly title: string } & Record<IsolationLevel, Claim>>

export type Threat = keyof typeof CLAIMS

/** The table as it stands in the README, line by line. */
export function readmeTable(): string[] {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const header = ['', ...LEVELS.map((level) => `\`${level}\`${level === 'role' ? ' (default)' : ''}`)]
  return [
    row(header).replace('|  |', '| |'),
    `|${'---|'.repeat(header.length)}`,
    row(['what separates tenants', ...LEVELS.map((level) => SEPARATED_BY[level])]),
    ...Object.values(CLAIMS).map((claims) =>
      row([claims.title, ...LEVELS.map((level) => cellOf(claims[level]))]),
    ),
  ]
}

function cellOf({ stopped, words }: Claim): string {
  return `${stopped ? 'stopped' : '**not stopped**'}${words && `: ${words}`}`
}
