import type { Token } from '../sql/scan.ts'
import type { Statement } from './statements.ts'

/** A name right behind one of these is that of an object, so that what stands before its dot is a schema. */
const OBJECT_WORDS =
  'table only into join update references index view sequence type domain function procedure policy trigger exists aggregate'
const BEFORE_OBJECT: ReadonlySet<string> = new Set(OBJECT_WORDS.split(' '))
/** Functions with a FROM of their own: `extract(day from t.at)`. */
const FROM_FUNCTIONS: ReadonlySet<string> = new Set(['extract', 'substring', 'trim', 'overlay', 'position'])
/** Statements whose ON is followed by a table. */
const ON_TABLE: ReadonlySet<string> = new Set(['index', 'trigger', 'policy', 'rule'])
const NAMED_IN_STRING: ReadonlySet<string> = new Set(['nextval', 'setval', 'currval', 'to_regclass'])

/** Schemas a statement names, without those that are allowed. */
export function foreignNames(statement: Statement, allowed: ReadonlySet<string>): string[] {
  const found = new Set<string>()
  const { tokens } = statement
  for (const [at, token] of tokens.entries()) {
    const schema = token.kind === 'string' ? schemaInString(tokens, at) : schemaBeforeDot(statement, at)
    if (schema !== undefined && !allowed.has(schema)) found.add(schema)
  }
  return [...found]
}

function schemaBeforeDot(statement: Statement, at: number): string | undefined {
  const { tokens } = statement
  const [token, dot] = [tokens[at], tokens[at + 1]]
  if (!token || !isName(token) || !isSymbol(dot, '.') || isSymbol(tokens[at - 1], '.')) return undefined
  if (token.text === 'public' || inObjectPlace(statement, at)) return token.text
  // Three parts: schema.table.column.
  return isSymbol(tokens[at + 3], '.') ? token.text : undefined
}

function inObjectPlace({ tokens, head }: Statement, at: number): boolean {
  const before = tokens[at - 1]
  if (before?.kind !== 'word') return false
  if (before.text === 'from') return isTableFrom(tokens, at - 1)
  if (before.text === 'on') return head.some((word) => ON_TABLE.has(word)) && !joins(tokens, at)
  return BEFORE_OBJECT.has(before.text)
}

/** FROM that names tables, not `is distinct from` or the FROM in `extract(… from …)`. */
function isTableFrom(tokens: readonly Token[], from: number): boolean {
  if (tokens[from - 1]?.text === 'distinct') return false
  let depth = 0
  for (let at = from - 1; at >= 0; at--) {
    if (isSymbol(tokens[at], ')')) depth++
    else if (isSymbol(tokens[at], '(') && depth-- === 0)
      return !FROM_FUNCTIONS.has(tokens[at - 1]?.text ?? '')
  }
  return true
}

function joins(tokens: readonly Token[], before: number): boolean {
  return tokens.slice(0, before).some(({ kind, text }) => kind === 'word' && text === 'join')
}

/** `'public.notes'::regclass` and `nextval('public.notes_id_seq')`. */
export function schemaInString(tokens: readonly Token[], at: number): string | undefined {
  const cast = isSymbol(tokens[at + 1], ':') && tokens[at + 3]?.text === 'regclass'
  const called = isSymbol(tokens[at - 1], '(') && NAMED_IN_STRING.has(tokens[at - 2]?.text ?? '')
  if (!cast && !called) return undefined
  const [, quoted, plain] = /^(?:"([^"]+)"|([A-Za-z_][A-Za-z0-9_$]*))\./.exec(tokens[at]?.text ?? '') ?? []
  return quoted ?? plain?.toLowerCase()
}

function isName(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted'
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}

type Complaint = readonly [rule: string, message: string]

/** What a statement is told, and one inside a DO block as well. */
export const ADVICE = {
  extension:
    'An extension is there once for the whole database: where tenants share one, the first would own it, and lose it for everybody. Let ' +
    'whoever owns the database (at level database that which databaseTemplate names: tenants’ are copies of it) run CREATE SCHEMA ' +
    'extensions; CREATE EXTENSION … SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO PUBLIC, and name that schema in sharedSchemas.',
  setConfig: 'Take set_config out: search path, role and settings are set for each tenant.',
  set: 'Take SET out of the block: search path and role are set for each tenant.',
  server:
    'Roles, databases, publications, event triggers and settings of the server are not part of a tenant. Take this out.',
  owned:
    'A role owns more than this tenant: where the administrator owns the tables, everybody’s. Name what is to be dropped or given away.',
  public:
    'Names schema "public", which is the same for every tenant. Leave the schema out. drizzle-kit writes it: load with { unqualify: "public" }.',
} as const

// UPDATE … SET role = … is of a column.
const IN_BLOCKS: readonly (readonly [rule: string, pattern: RegExp, message: string])[] = [
  ['session', /\bset_config\s{0,20}\(/i, ADVICE.setConfig],
  [
    'session',
    /\bset\s{1,20}(?:(?:local|session)\s{1,20})?(?:search_path\b|session\s{1,20}authorization\b|role\b(?!\s{0,20}=))/i,
    ADVICE.set,
  ],
  ['extension', /\b(?:create|alter|drop)\s{1,20}extension\b/i, ADVICE.extension],
  [
    'server',
    /\b(?:create|alter|drop)\s{1,20}(?:role|user|group|database|tablespace|publication|subscription|event\s{1,20}trigger)\s/i,
    ADVICE.server,
  ],
  ['server', /\b(?:drop|reassign)\s{1,20}owned\s{1,20}by\b/i, ADVICE.owned],
]
const IN_PUBLIC = /(?:\bpublic|"public")\s{0,20}\.\s{0,20}["a-z_]/i
const COMMENTS = /--[^\n]{0,1000}|\/\*[^*]{0,2000}\*\//g

/** The same in the body of a DO block, which is a string; what a function does when it is called is its own business. */
export function inBlock({ head, tokens }: Statement, allowed: ReadonlySet<string>): Complaint[] {
  if (head[0] !== 'do') return []
  const bodies = tokens.filter(({ kind }) => kind === 'string').map(({ text }) => text.replace(COMMENTS, ' '))
  const has = (pattern: RegExp) => bodies.some((body) => pattern.test(body))
  const found = IN_BLOCKS.flatMap(([rule, pattern, message]): Complaint[] =>
    has(pattern) ? [[rule, message]] : [],
  )
  return allowed.has('public') || !has(IN_PUBLIC) ? found : [...found, ['qualified-name', ADVICE.public]]
}
