import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { type Mutant, mutantsIn } from '../mutate/mutants.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const ALL = globSync('packages/*/src/**/*.ts', { cwd: ROOT }).flatMap((file) => mutantsIn(file, read(file)))

/** Guards whose shape does not tell that they are some: marked `// guard: name` in the sources. CI takes each out. */
const MARKED = [
  'a statement behind a COMMIT whose connection was lost',
  'what a tenant sends becomes nobody who reads what others wrote',
  'a handler that was overtaken or given up on changes nothing any more',
  "ad: a tenant's session locks leave the others connections",
  'ae: what default privileges of the administrator give of his own tables',
  'ae: what default privileges of the administrator give of the registry',
  'as the role, a schema of its name is in the path of a session',
  'a row whose text looks like a key (`Failing row contains (ann)=().`) is not read as one',
  'a server killed right behind a ROLLBACK of unlogged tables starts at the first try',
  'a statement that waits for a lock is cancelled as any other; the locks that the client has go with it',
  'a value that names an object of the tenant names none of the tenant that the archive is of',
  'a login that was there before the tenant was adopted had what it had',
  'asked behind ROLLBACK, under the path that who owns the database has set for it (ALTER DATABASE … SET search_path)',
  'b: the pin holds the schema',
  'code of the tenant (in a CHECK, say) has written into tables of others, whose triggers did nothing',
  'd: a forgotten promise does not end the process',
  'e: the handles of savepoints end with theirs',
  'f: steps that could not be made, because their block has ended meanwhile, have opened nothing',
  'g: a client that has gone before anybody listened has gone',
  'g: judge only at ReadyForQuery',
  'an eighth of the numbers is for the others',
  'i: cancel on the server',
  'it is in service again, or another’s: what is written since is in no backup of ours',
  'it may have been given more since',
  'it may have waited for its place for longer than it was ours',
  "k': close all",
  "k': cursors, channels and sequences, behind COMMIT",
  "k': discard sequences",
  "k': temporary tables, behind COMMIT",
  "k': the first temporary tables of a session",
  "k': unlisten *",
  "k': what others left",
  'k: a kept statement that a migration outlived does not fail the scope',
  'k: a statement that failed is prepared anew',
  'large objects that its rows name are in no archive',
  "nothing is asked whose answer could not be remembered: its rejection would be nobody's",
  'nothing of what somebody else threw',
  "one that became the tenant's role is that until it ends",
  'r: a permanent error listener',
  'r: the error of an idle connection does not end the process',
  "the administrator's own path",
  'the last scope may have left something behind since it was asked',
  'waiting clients would have all connections, and the one whose lock they wait for none to go on',
  'what the tenant changed while its tables were waited for; now it can change nothing more',
  'what was dropped between the two looks would have writers refused',
  'who owned it set with what every session in it begins',
  "what an index calls runs with the administrator's rights, so there must be nobody else's code",
  "what the administrator's role or the database begins with could put somebody's objects in front of the catalogue",
  'TRUNCATE, and ALTER TABLE that writes rows anew, leave nothing of what was in sight',
  'behind that look, or it may be the copy of who has gone on',
  'who claims late takes it from who has gone on, but touches nothing',
  'whoever was away for long touches nothing of who has gone on',
  "inside of a tenant it may be one of a transaction's statements, or to be refused: nobody else is to be answered by it",
  'whoever was away for long does not write into the copy of who has gone on',
  'whoever was provisioned there since it was looked at is not moved over',
  'x: the administrator plans nothing over tables of others',
  "x: the program asks up to PostgreSQL 17 SELECT last_value of a name it has not locked, in the administrator's session",
  'y: who the session is, its locks and its seed, behind COMMIT',
  'z: names of another tenant',
  'z: nothing is known of a session that others had',
  'z: statements that SQL prepared',
  'z: what is asked behind a room is not answered inside of it',
]

const apply = (source: string, { start, end, text }: Mutant) =>
  source.slice(0, start) + text + source.slice(end)
/** What a file becomes, one text for each mutant. */
const mutated = (source: string) => mutantsIn('a.ts', source).map((mutant) => apply(source, mutant).trim())

it('finds every marked guard, once, and no other', () => {
  expect([...ALL.flatMap(({ marked }) => marked ?? [])].sort()).toEqual([...MARKED].sort())
})

it('finds the guards of every package', () => {
  const count = (name: string) => ALL.filter(({ file }) => file.startsWith(`packages/${name}/`)).length
  expect(count('pg-tenant')).toBeGreaterThan(900)
  for (const name of ['core', 'rbac', 'crypto']) expect(count(name)).toBeGreaterThan(100)
})

it('leaves files that are still TypeScript', () => {
  const some = ALL.filter(({ marked }, index) => marked !== undefined || index % 100 === 0)
  const broken = some.filter(({ file, ...mutant }) => {
    const { diagnostics } = ts.transpileModule(apply(read(file), { file, ...mutant }), {
      reportDiagnostics: true,
    })
    return (diagnostics ?? []).length > 0
  })
  expect(broken.map(({ name }) => name)).toEqual([])
})

describe('takes out', () => {
  it('a refusal, and each operand of its condition', () => {
    expect(mutated('if (a || b) throw e()')).toEqual([
      'if (false) throw e()',
      'if (b) throw e()',
      'if (a) throw e()',
    ])
    expect(mutated('if (a) { log(); throw e() }')).toEqual(['if (false) { log(); throw e() }'])
    expect(mutated('if (a) log()')).toEqual([])
  })

  it('an operand of an answer', () => {
    expect(mutated('const f = (x: X) => x.a && x.b')).toEqual([
      'const f = (x: X) => x.b',
      'const f = (x: X) => x.a',
    ])
  })

  it('a call that does nothing but refuse', () => {
    expect(mutated('async () => { await requireActive(t) }')).toEqual(['async () => {  }'])
    expect(mutated('refuseUnsafe(text)')).toEqual([''])
    expect(mutated('write(text)')).toEqual([])
  })

  it('conditions and items of SQL', () => {
    const sql = 'const a = `select x,\n  y,\n  z\nfrom t where a\n  and b\n  and c`'
    expect(mutated(sql)).toEqual([
      'const a = `select x,\n  z\nfrom t where a\n  and b\n  and c`',
      'const a = `select x,\n  y,\n  z\nfrom t where a\n  and c`',
    ])
  })

  it('what is marked, to its end', () => {
    const source = 'f(\n  // guard: x\n  on(() => {\n    a()\n  }),\n  2,\n)'
    expect(mutantsIn('a.ts', source).map((mutant) => [mutant.name, apply(source, mutant)])).toEqual([
      ['x', 'f(\n  // guard: x\n  2,\n)'],
    ])
  })
})
