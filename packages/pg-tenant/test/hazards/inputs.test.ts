import { describe, expect, it } from 'vitest'
import type { TypeParsers } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()

describe('keys', () => {
  const bad: readonly unknown[] = [
    '',
    ' acme',
    'acme\n',
    'Acme',
    'acme-',
    '-acme',
    '_acme',
    'ac"me',
    "ac'me",
    'ac;me',
    'ac\0me',
    'ac me',
    'akmé',
    '../acme',
    '__proto__',
    'toString',
    'x'.repeat(1_000_000),
    undefined,
    null,
    7,
    {},
    ['acme'],
    Object('acme'),
    { toString: () => 'acme' },
  ]
  it.each(bad.map((key) => ({ key })))('refuses $key', async ({ key }) => {
    const tenancy = world.tenancy()
    expect(await codeOf(tenancy.withTenant(key as string, async () => undefined))).toBe('INVALID_TENANT_KEY')
    expect(await codeOf(tenancy.query(key as string, 'select 1'))).toBe('INVALID_TENANT_KEY')
    expect(await codeOf(tenancy.provision(key as string))).toBe('INVALID_TENANT_KEY')
  })

  it('keeps apart keys named as properties of objects, and similar keys', async () => {
    const tenancy = world.tenancy()
    const keys = [
      'constructor',
      'hasownproperty',
      'valueof',
      'a-b',
      'a_b',
      'k'.repeat(40),
      `${'k'.repeat(40)}1`,
    ]
    for (const key of keys) {
      await tenancy.provision(key)
      await tenancy.query(key, 'insert into notes (body) values ($1)', [key])
    }
    for (const key of keys) {
      expect((await tenancy.query(key, 'select body from notes')).rows).toEqual([{ body: key }])
      await tenancy.drop(key)
    }
  })
})

describe('statements', () => {
  it('with a NUL in text or values fail with a code; the scope’s end is certain', async () => {
    const tenancy = world.tenancy()
    expect(await codeOf(tenancy.query('acme', 'select 1 \0; commit'))).toBe('VALIDATION_ERROR')
    expect(await codeOf(tenancy.query('acme', 'select $1::text', ['a\0b']))).toBe('VALIDATION_ERROR')
  })

  it('take 65,535 values, and not one more', async () => {
    const tenancy = world.tenancy()
    const many = Array.from({ length: 65_536 }, (_, index) => index)
    const text = `select count(*)::int as n from (values ${many
      .slice(1)
      .map((index) => `($${index}::int)`)
      .join()}) v`
    expect((await tenancy.query('acme', text, many.slice(1))).rows).toEqual([{ n: 65_535 }])
    expect(await codeOf(tenancy.query('acme', text, many))).toBe('VALIDATION_ERROR')
  })

  it('have the values of the moment of the call', async () => {
    const tenancy = world.tenancy()
    const values = ['before']
    const nested = { text: 'select $1::text as x, $2::jsonb as y', values: ['before', { z: ['before'] }] }
    await tenancy.withTenant('acme', async (db) => {
      const first = db.query('select $1::text as x', values)
      const second = db.query(nested)
      values[0] = 'after'
      nested.values = ['after', { z: ['after'] }]
      expect((await first).rows).toEqual([{ x: 'before' }])
      expect((await second).rows).toEqual([{ x: 'before', y: { z: ['before'] } }])
    })
  })

  it('answer columns with the names of object properties', async () => {
    const { rows } = await world.tenancy().query('acme', `select 1 as "__proto__", 2 as "constructor"`)
    expect(Object.keys(rows[0] ?? {})).toContain('constructor')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it.each(['parser', 'getTypeParser'])('survive a %s that throws', async (which) => {
    const tenancy = world.tenancy({ pool: world.pool({ max: 1 }) })
    const boom = () => {
      throw new Error('boom')
    }
    const types: TypeParsers = { getTypeParser: which === 'parser' ? () => boom : boom }
    expect(await codeOf(tenancy.query('acme', { text: 'select 1 as x', types }))).toBe('RESULT_UNREADABLE')
    expect((await tenancy.query('acme', 'select 1 as x')).rows).toEqual([{ x: 1 }])
  })
})
