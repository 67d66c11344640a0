import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

describe('COPY', () => {
  it('goes in and out', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `copied ${i}\n`)
    await tenancy.withTenant('acme', async (db) => {
      await pipeline(Readable.from(lines), await db.copyFrom('copy notes (body) from stdin'))
      await db.query(`insert into notes (body) values ('copied last')`)
    })
    const out = await tenancy.withTenant('acme', async (db) => {
      const all = await text(
        await db.copyTo(`copy (select body from notes where body like 'copied%' order by id) to stdout`),
      )
      await db.query('select 1')
      return all
    })
    expect(out).toBe(`${lines.join('')}copied last\n`)
  })

  it('may be the first, and the only, thing a scope does', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await pipeline(Readable.from(['first\n']), await db.copyFrom('copy notes (body) from stdin'))
    })
    expect((await tenancy.query('acme', `select 1 from notes where body = 'first'`)).rowCount).toBe(1)
  })

  it('runs one statement: what is smuggled behind it does not run', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      await db.query(`insert into notes (body) values ('smuggled')`)
      await text(await db.copyTo('copy (select 1) to stdout; commit'))
    })
    expect(await codeOf(work)).toBe('STATEMENT_REFUSED')
    expect((await tenancy.query('acme', `select 1 from notes where body = 'smuggled'`)).rowCount).toBe(0)
  })

  it('fails the scope when the data is bad, with an error that holds none of it', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      await pipeline(
        Readable.from(['secret-a\tsecret-b\n']),
        await db.copyFrom('copy notes (body) from stdin'),
      )
    })
    const error = await work.catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { sqlState: '22P04', rule: 'format', line: 1 },
    })
    expect(String((error as Error).stack)).not.toContain('secret')
  })

  it('is rolled back when its source fails', async () => {
    const source = async function* () {
      yield 'half\n'
      throw new Error('source')
    }
    const work = tenancy.withTenant('acme', async (db) => {
      await pipeline(Readable.from(source()), await db.copyFrom('copy notes (body) from stdin'))
    })
    await expect(work).rejects.toThrow()
    expect((await tenancy.query('acme', `select 1 from notes where body = 'half'`)).rowCount).toBe(0)
  })

  it('takes only COPY, and query takes none', async () => {
    await tenancy.withTenant('acme', async (db) => {
      expect(await codeOf(db.copyFrom('delete from notes'))).toBe('STATEMENT_REFUSED')
      expect(await codeOf(db.copyTo('select 1'))).toBe('STATEMENT_REFUSED')
      expect(await codeOf(db.query('copy notes from stdin'))).toBe('STATEMENT_REFUSED')
    })
  })

  it('left unfinished, is rolled back and told', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      const stream = await db.copyFrom('copy notes (body) from stdin')
      stream.on('error', () => {})
      stream.write('unfinished\n')
    })
    expect(await codeOf(work)).toBe('QUERY_NOT_AWAITED')
    expect((await tenancy.query('acme', `select 1 from notes where body = 'unfinished'`)).rowCount).toBe(0)
  })
})
