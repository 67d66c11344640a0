import type { Statement } from './statements.ts'

type Complaint = readonly [rule: string, message: string]

/** What a statement is told, and one inside a DO block as well. */
export const ADVICE = {
  extension:
    'An extension is there once for the whole database: the first tenant would own it, and lose it for everybody. Let ' +
    'whoever owns the database run CREATE SCHEMA extensions; CREATE EXTENSION … SCHEMA extensions; GRANT USAGE ON SCHEMA ' +
    'extensions TO PUBLIC, and name that schema in sharedSchemas.',
  setConfig: 'Take set_config out: search path, role and settings are set for each tenant.',
  set: 'Take SET out of the block: search path and role are set for each tenant.',
  public: 'Names schema "public", which is the same for every tenant. Leave the schema out.',
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
