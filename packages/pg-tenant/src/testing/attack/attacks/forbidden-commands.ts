import { TENANT_SETTING } from '../../../isolation/row.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import { open, settle, stopped } from '../finding.ts'
import { attack, EVERY, type Scene } from './scene.ts'
import { sessionState } from './session-state.ts'

/** Transaction and session commands; each must be refused, or at least leave no trace. */
export function forbiddenCommands(otherSchema: string): string[] {
  const path = quoteIdentifier(otherSchema)
  return [
    'commit',
    'end',
    'end transaction',
    'commit and chain',
    'commit and no chain',
    'rollback',
    'abort',
    'rollback and chain',
    'begin',
    'start transaction',
    'savepoint s',
    `prepare transaction 'x'`,
    `set search_path to ${path}`,
    `set session search_path to ${path}`,
    `set statement_timeout to '77s'`,
    'set session characteristics as transaction read only',
    'set role none',
    'reset role',
    'reset all',
    `set ${TENANT_SETTING} to 'somebody'`,
    `set row_security to off`,
    'discard all',
    'listen kit_channel',
    'prepare kit_statement as select 1',
    `declare kit_cursor cursor with hold for select 1`,
    `declare "kit_cursor" cursor with hold for select 1`,
    'declare kit_cursor binary insensitive no scroll cursor with hold for select 1',
  ]
}

const DISGUISES: readonly ((sql: string) => string)[] = [
  (sql) => sql,
  (sql) => ` /* a /* nested */ comment */ -- line\n\t;; ${sql.toUpperCase()} ;`,
]

/** Runs one command between two inserts, in a scope that then fails; says what it left behind. */
async function traceOf(scene: Scene, sql: string, commit: boolean): Promise<string | undefined> {
  const { subject, a, lab, pool } = scene
  const clean = await sessionState(pool)
  const body = `trace of ${sql}`
  await settle(
    subject.withTenant(a, async (db) => {
      await db.query('insert into notes (body) values ($1)', [body])
      await db.query(sql)
      await db.query('insert into notes (body) values ($1)', [body])
      if (!commit) throw new Error('undo everything')
    }),
  )
  const own = lab.through === 'scope' ? await lab.bodies(a) : []
  const kept = [...own, ...(await lab.sharedBodies())].includes(body)
  if (kept && !commit) return 'rows of a failed scope are there'
  const state = await settle(sessionState(pool))
  if (state.ok && state.value !== clean) {
    await settle(pool.query('discard all'))
    return 'the session is changed for its next user'
  }
  return undefined
}

/** Both ways: what ends the transaction shows when the scope fails, what stays on the session when it commits. */
async function findTraces(scene: Scene, statements: readonly string[]): Promise<string[]> {
  const traces: string[] = []
  for (const sql of statements) {
    for (const commit of [false, true]) {
      const trace = await traceOf(scene, sql, commit)
      if (trace) traces.push(`${sql.trim().slice(0, 60)}: ${trace}`)
    }
  }
  return traces
}

const commands = attack(
  { id: 'f.commands', title: 'caller sends COMMIT, SET, DISCARD …', promise: EVERY },
  async (scene) => {
    const plain = forbiddenCommands(scene.lab.schemaOf(scene.b))
    const statements = plain.flatMap((sql) => DISGUISES.map((disguise) => disguise(sql)))
    const traces = await findTraces(scene, statements)
    if (traces.length > 0) return open(`${traces.length} traces, e.g. ${traces[0]}`)
    return stopped(`${statements.length} commands refused or without a trace`)
  },
)

/** What does to level row what a changed path does to the others. */
const TENANT_CHANGES: readonly ((tenant: string) => string)[] = [
  (tenant) => `do $$ begin perform set_config('${TENANT_SETTING}', '${tenant}', false); end $$`,
  (tenant) => `do $$ begin set local ${TENANT_SETTING} to '${tenant}'; end $$`,
  () => `do $$ begin reset ${TENANT_SETTING}; end $$`,
]

/** Inside a scope the same commands in a DO block. Those that PL/pgSQL refuses itself are of no interest. */
const functions = attack(
  { id: 'f.functions', title: 'path, role or tenant changed inside a DO block', promise: EVERY },
  async ({ subject, a, b, lab, pool }) => {
    const other = quoteIdentifier(lab.schemaOf(b))
    const clean = await sessionState(pool)
    const sneaky = [
      `do $$ begin set search_path to ${other}; end $$`,
      `do $$ begin set local search_path to ${other}; end $$`,
      `do $$ begin perform set_config('search_path', '${other}', false); end $$`,
      `do $$ begin set local synchronous_commit to off; end $$`,
      ...(lab.traits.shared ? TENANT_CHANGES.map((change) => change(b)) : []),
    ]
    for (const sql of sneaky) {
      const outcome = await settle(
        subject.withTenant(a, async (db) => {
          await db.query(sql)
        }),
      )
      const state = await sessionState(pool)
      if (outcome.ok) return open(`committed as if nothing had happened: ${sql}`)
      if (state !== clean) return open(`left on the session: ${sql}`)
    }
    return stopped(`${sneaky.length} blocks: the scope failed each time`)
  },
)

const several = attack(
  { id: 'f.several', title: 'several statements in one query', promise: EVERY },
  async ({ subject, a, lab }) => {
    const body = `several ${a}`
    await settle(
      subject.withTenant(a, async (db) => {
        await db.query(`insert into notes (body) values ('${body}'); commit; begin`)
        throw new Error('undo everything')
      }),
    )
    const own = lab.through === 'scope' ? await lab.bodies(a) : []
    return [...own, ...(await lab.sharedBodies())].includes(body)
      ? open('a COMMIT behind a semicolon was executed')
      : stopped('one statement for each query')
  },
)

export const commandsInScope = [commands, functions, several]
