import type { Operation } from '../context.ts'
import { Deliberate } from '../deliberate.ts'
import type { OperationKind } from './kind.ts'

/** Texts that a scope must not run; a caller that catches the refusal goes on. */
const TEXTS = [
  'commit',
  'COMMIT AND CHAIN',
  'rollback',
  'rollback and chain',
  'begin',
  '/* x */ abort',
  'set search_path to public',
  'set local search_path to public',
  'set session authorization default',
  'set role none',
  'reset all',
  'reset role',
  'reset search_path',
  'discard all',
  'discard temp',
  'deallocate all',
  'close all',
  'unlisten *',
  'listen soak',
  "notify soak, 'payload'",
  "prepare transaction 'soak'",
  'prepare soak as select 1',
  'savepoint soak',
  'release savepoint soak',
  '; -- x\n commit',
]

/** The same, hidden where only the server sees them. */
const HIDDEN = [
  'do $$ begin commit; end $$',
  'do $$ begin rollback; end $$',
  "do $$ begin execute 'set local search_path to public'; end $$",
  "do $$ begin execute 'set search_path to public'; end $$",
  "do $$ begin execute 'reset search_path'; end $$",
  "do $$ begin execute 'set role none'; end $$",
  "do $$ begin execute 'reset role'; end $$",
  "do $$ begin execute 'set session authorization default'; end $$",
  "do $$ begin execute 'set local synchronous_commit to off'; end $$",
  "do $$ begin execute 'deallocate all'; end $$",
  "do $$ begin execute 'discard plans'; end $$",
  "do $$ begin execute 'discard sequences'; end $$",
  "do $$ begin execute 'reset all'; end $$",
  "do $$ begin execute 'close all'; end $$",
  "do $$ begin execute 'unlisten *'; end $$",
  "select set_config('search_path', 'public', true)",
  "select set_config('search_path', 'public', false)",
  "select set_config('role', 'none', true)",
  "select set_config('role', 'none', false)",
  "select set_config('synchronous_commit', 'off', true)",
  "select set_config('synchronous_commit', 'off', false)",
  "select set_config('transaction_read_only', 'on', true)",
  "select set_config('statement_timeout', '0', false)",
  "select set_config('idle_in_transaction_session_timeout', '0', false)",
]

async function inTheMiddle(o: Operation, text: string): Promise<void> {
  // Where texts end transactions, the rows of this one are its caller's business; whose they are is not.
  if (o.subject.byText) o.exempt = true
  const careless = o.random.chance(0.7)
  await o.scope(async (db) => {
    await o.write(db, 0)
    const hostile = db.query(text)
    await (careless ? hostile.catch(() => {}) : hostile)
    await o.write(db, 1)
  })
}

/** A change of session or transaction by SQL (hazards f, k', m, v). */
export const HOSTILE_SESSION: readonly OperationKind[] = [
  {
    name: 'a text that ends the transaction or changes the session',
    weight: 12,
    run: (o) => inTheMiddle(o, o.random.pick(TEXTS)),
  },
  {
    name: 'the same in DO or set_config',
    weight: 12,
    run: (o) => inTheMiddle(o, o.random.pick(HIDDEN)),
  },
  {
    name: "set_config to another tenant's path or role",
    weight: 6,
    run: (o) => {
      const { schema } = o.other()
      const [name, local] = [o.random.pick(['search_path', 'role']), o.random.chance(0.5)]
      return o.scope(async (db) => {
        await o.write(db, 0)
        await db.query(`select set_config($1, $2, ${local})`, [
          name,
          name === 'role' ? schema : `"${schema}"`,
        ])
        // The change itself is what must stop the scope: nothing is read or written past it.
      })
    },
  },
  {
    name: 'two statements in one text',
    weight: 3,
    run: (o) =>
      inTheMiddle(o, `select 1; ${o.random.pick(['commit', 'reset role', 'set search_path to public'])}`),
  },
  {
    name: 'one-shot of a hostile text',
    weight: 4,
    async run(o) {
      await o.subject.query(o.tenant.key, o.random.pick(o.random.chance(0.5) ? TEXTS : HIDDEN), [])
    },
  },
  {
    name: 'the bare pool, used beside the scopes',
    weight: 3,
    async run(o) {
      const text = o.random.pick([
        'discard all',
        'deallocate all',
        "select set_config('soak.owner', 'somebody', false)",
        'create temp table if not exists soak_tmp_999 (tenant text)',
        'select pg_advisory_lock_shared(4242, 999)',
      ])
      // What pg itself throws here is not the subject's.
      await o.subject.pool.query(text).catch(() => {
        throw new Deliberate()
      })
    },
  },
]
