import { parseTenantKey, runWithoutTenant, runWithTenant } from '@org/core'
import { describe, expect, it } from 'vitest'
import { readTogether, type Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld(['acme', 'globex'])
const [acme, globex] = [parseTenantKey('acme'), parseTenantKey('globex')]

/** Reads of a tenancy, and how many scopes they took. */
function counted() {
  const tenancy = world.tenancy()
  const seen = { scopes: 0 }
  const query = ((...given: Parameters<Tenancy['query']>) => {
    seen.scopes++
    return tenancy.query(...given)
  }) as Tenancy['query']
  return { seen, tenancy, reads: readTogether({ query }) }
}

describe('what is read of a tenant at the same moment', () => {
  it('is one scope, each answered with its own rows, for its own parameters', async () => {
    const { seen, reads } = counted()
    const [schema, several, none, other] = await Promise.all([
      reads.query(acme, 'select current_schema() as schema'),
      reads.query(acme, 'select n, $2::text as word from generate_series(1, $1::int) n', [2, "it's $1"]),
      reads.query(acme, '-- nobody\nselect body from notes where body = $1', ['nothing']),
      reads.query(globex, 'select current_schema() as schema -- of globex'),
    ])
    expect(schema).toMatchObject({ rows: [{ schema: 'c_acme' }], rowCount: 1 })
    expect(several.rows).toEqual([
      { n: 1, word: "it's $1" },
      { n: 2, word: "it's $1" },
    ])
    expect(none).toEqual({ rows: [], rowCount: 0 })
    expect(other.rows).toEqual([{ schema: 'c_globex' }])
    expect(seen.scopes).toBe(2)
  })

  it('takes what is quoted for no parameter', async () => {
    const { reads } = counted()
    const texts = [
      `select '$1' as said, $1::int as n -- $1`,
      `select '''$1' as said, $1::int as n`,
      'select $$$1$$ as said, $1::int as n',
      `select e'\\'$1' as said, $1::int as n`,
      `select '$1' as said, /* ' */ $1::int as n`,
    ]
    const asked = await Promise.all(texts.map((text, n) => reads.query(acme, text, [n])))
    expect(asked.map(({ rows }) => rows[0])).toEqual(
      ['$1', "'$1", '$1', "'$1", '$1'].map((said, n) => ({ said, n })),
    )
  })

  it('takes what is in a name for no parameter, and what is behind a comment for one', async () => {
    const { reads } = counted()
    const text = 'select $1::int as a$1, 0 as é$1, -- of old files $1\r$1::int as n'
    const asked = await Promise.all([1, 2].map((n) => reads.query(acme, text, [n])))
    expect(asked.flatMap(({ rows }) => rows)).toEqual([1, 2].map((n) => ({ a$1: n, é$1: 0, n })))
  })

  it('does not take the mistake of another for its own', async () => {
    const { reads } = counted()
    const [good, bad] = await Promise.allSettled([
      reads.query(acme, 'select 1 as one'),
      reads.query(acme, 'select $1::int as n', ['none']),
    ])
    expect([good.status, bad]).toMatchObject([
      'fulfilled',
      { status: 'rejected', reason: { code: 'VALIDATION_ERROR' } },
    ])
  })

  it('is of nobody, wherever it was made', async () => {
    const { reads } = runWithTenant(acme, counted)
    expect((await reads.query(globex, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('fails alone, and writes nothing', async () => {
    const { reads } = counted()
    const [good, bad, writes] = await Promise.allSettled([
      reads.query(acme, 'select 1 as one'),
      reads.query(acme, 'select * from not_there'),
      reads.query(acme, "insert into notes (body) values ('x') returning body"),
    ])
    expect(good).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } })
    expect([bad.status, writes.status]).toEqual(['rejected', 'rejected'])
  })

  it('is refused for all of them where the tenant is not there', async () => {
    const { seen, reads } = counted()
    const nobody = parseTenantKey('nobody')
    const codes = await Promise.all(
      [1, 2].map((n) => codeOf(reads.query(nobody, 'select $1::int as n', [n]))),
    )
    expect(codes).toEqual(['SCHEMA_MISSING', 'SCHEMA_MISSING'])
    expect(seen.scopes).toBe(1)
  })

  it('shares nothing with who asks inside of a tenant, or of a transaction', async () => {
    const { tenancy, reads } = counted()
    const COUNT = 'select count(*)::int as notes from notes'
    const [outside, inside] = await Promise.all([
      reads.query(globex, COUNT),
      runWithTenant(acme, () => codeOf(reads.query(globex, COUNT))),
    ])
    expect([outside.rows, inside]).toEqual([[{ notes: 0 }], 'CROSS_TENANT'])
    await tenancy.withTenant('globex', async (db) => {
      await db.query("insert into notes (body) values ('not committed')")
      const asked = [reads.query(globex, COUNT), runWithoutTenant(() => reads.query(globex, COUNT))]
      expect((await Promise.all(asked)).map(({ rows }) => rows)).toEqual([[{ notes: 1 }], [{ notes: 0 }]])
    })
  })
})
