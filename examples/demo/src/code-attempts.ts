import { isTenancyError } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import type pg from 'pg'
import type { Claims } from './claims.ts'
import { dim, line } from './print.ts'

interface CodeAttempt {
  readonly tried: string
  readonly expected: string
  readonly meaning?: string
  readonly run: () => Promise<unknown>
}

const WRITE = `insert into notes (body) values ('acme''s, never to be seen')`

/** What the application's own code can get wrong, or an attacker make it do, as acme. */
export async function showCodeAttempts(tenancy: Tenancy, pool: pg.Pool, claims: Claims): Promise<void> {
  line()
  line(dim("In the application's own code, in a scope of acme"))
  for (const { tried, expected, meaning, run } of attempts(tenancy, pool))
    claims.checkAnswer(tried, expected, await answerOf(run), meaning)
}

/** What the attempts above do not show: said here, so that nobody has to find out. */
export function sayWhatIsNotStopped(): void {
  line()
  line(dim('Not stopped at this level: SQL an attacker wrote, which can change the role and change it back'))
  line(
    dim(
      'within one statement. Use parameters. (The scope stops mistakes; it is no sandbox for hostile SQL.)',
    ),
  )
}

function attempts(tenancy: Tenancy, pool: pg.Pool): CodeAttempt[] {
  return [
    {
      tried: 'select * from c_globex.notes',
      expected: 'permission denied for schema c_globex',
      run: () => tenancy.query('acme', 'select * from c_globex.notes'),
    },
    {
      tried: 'the same on the bare pool, outside any scope',
      expected: 'permission denied for schema c_globex',
      run: () => pool.query('select * from c_globex.notes'),
    },
    {
      tried: 'tenancy.query("globex", …) in a scope of acme',
      expected: 'CROSS_TENANT',
      run: () => tenancy.withTenant('acme', () => tenancy.query('globex', 'select * from notes')),
    },
    ...hijacks(tenancy),
    ...mistakes(tenancy),
  ]
}

/** SQL that tries to leave the scope. */
function hijacks(tenancy: Tenancy): CodeAttempt[] {
  const after = (sql: string) =>
    tenancy.withTenant('acme', async (db) => {
      await db.query(WRITE)
      await db.query(sql)
    })
  return [
    {
      tried: 'commit, after a write',
      expected: 'STATEMENT_REFUSED',
      meaning: 'rolled back',
      run: () => after('commit'),
    },
    {
      tried: 'select 1; commit; set role c_globex',
      expected: 'STATEMENT_REFUSED',
      meaning: 'rolled back: one statement a call',
      run: () => after('select 1; commit; set role c_globex'),
    },
    {
      tried: "do $$ … set_config('role', 'c_globex', …) … $$",
      expected: 'SCOPE_ESCAPED',
      meaning: 'rolled back, with what it wrote into globex',
      run: () =>
        tenancy.withTenant('acme', async (db) => {
          await db.query(WRITE)
          await db.query(`do $$ begin perform set_config('role', 'c_globex', true); end $$`)
          await db.query(`insert into c_globex.notes (body) values ('planted by acme')`)
        }),
    },
  ]
}

/** Slips that end in lost or misplaced writes elsewhere. */
function mistakes(tenancy: Tenancy): CodeAttempt[] {
  return [
    {
      tried: 'a handle kept and used after its scope',
      expected: 'SCOPE_ENDED',
      run: async () => {
        const kept = await tenancy.withTenant('acme', async (db) => db)
        await kept.query(WRITE)
      },
    },
    {
      tried: 'a forgotten await (fire and forget)',
      expected: 'QUERY_NOT_AWAITED',
      meaning: 'rolled back',
      run: () =>
        tenancy.withTenant('acme', async (db) => {
          void db.query(WRITE)
        }),
    },
    {
      tried: 'an error swallowed after a write',
      expected: 'SILENT_ROLLBACK',
      meaning: 'rolled back, and said so',
      run: () =>
        tenancy.withTenant('acme', async (db) => {
          await db.query(WRITE)
          await db.query('select 1 / 0').catch(() => {})
        }),
    },
  ]
}

/** `SCOPE_ENDED`, `permission denied for …`, or that it went through. */
async function answerOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
    return 'it went through'
  } catch (error) {
    if (!isTenancyError(error)) return error instanceof Error ? error.message : String(error)
    if (error.code !== 'DATABASE_ERROR') return error.code
    const { message } = error
    const [from, to] = [message.indexOf(': '), message.lastIndexOf(' (SQLSTATE')]
    return from >= 0 && from < to ? message.slice(from + 2, to) : error.code
  }
}
