import { startWireProxy } from '@org/pg-testing'
import { beforeAll, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

// A scope that may write nothing is not asked for deferred triggers before its check: none can wait in it, whatever it tries.

const world = useWorld(['acme'])
/** What fires it escapes: the check behind it says so. */
const ESCAPES = `create table late (x int);
  create function escape() returns trigger language plpgsql as $f$
    begin perform set_config('search_path', 'pg_catalog', true); return null; end $f$;
  create constraint trigger late after insert on late deferrable initially deferred
    for each row execute function escape()`
const ELSEWHERE = `create temp table late_too (x int);
  create constraint trigger late after insert on late_too deferrable initially deferred
    for each row execute function escape(); insert into late_too values (1)`
const WRITES = 'insert into late values (1)'
const inBlock = (sql: string) => `do $do$ begin ${sql}; end $do$`

beforeAll(() => world.tenancy().query('acme', inBlock(ESCAPES)))

it('deferred triggers run before the check of a scope that may write', async () => {
  await expect(world.tenancy().query('acme', WRITES)).rejects.toMatchObject({ code: 'SCOPE_ESCAPED' })
})

it.each([
  WRITES,
  inBlock(WRITES),
  inBlock(ELSEWHERE),
  inBlock(`perform set_config('transaction_read_only', 'off', true); ${WRITES}`),
  inBlock(`perform set_config('default_transaction_read_only', 'off', false); ${WRITES}`),
  inBlock(`execute 'set transaction read write'; ${WRITES}`),
  inBlock(`begin execute 'set transaction read write'; exception when others then null; end; ${WRITES}`),
  inBlock(`begin perform set_config('transaction_read_only', 'off', false); ${WRITES}; end`),
])('none waits in one that may not: %s', async (sql) => {
  const texts: string[] = []
  const proxy = await startWireProxy({
    target: world.appUrl,
    onMessage: ({ text }) => void (text !== undefined && texts.push(text)),
  })
  const pool = world.pool({ connectionString: proxy.url, max: 1 })
  const tenancy = world.tenancy({ pool })
  for (const isolationLevel of ['read committed', 'serializable'] as const) {
    const options = { readOnly: true, isolationLevel }
    const error = await tenancy.query('acme', sql, [], options).catch((caught: unknown) => caught)
    // read_only_sql_transaction, active_sql_transaction
    expect(error).toMatchObject({ details: { sqlState: expect.stringMatching(/^2500[16]$/) } })
    expect((await tenancy.query('acme', 'select count(*) from late', [], options)).rows).toEqual([
      { count: '0' },
    ])
  }
  expect(texts.filter((text) => text.includes('constraints'))).toEqual([])
  await pool.end()
  await proxy.close()
})
