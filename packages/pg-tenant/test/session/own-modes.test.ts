import { startPostgres, startWireProxy } from '@org/pg-testing'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createTenancy } from '../../src/index.ts'
import { eventually, POOLED, useWorld } from '../support/world.ts'

// How transactions begin and whether commits are durable is not said again where the connection came with it. A tenant that lies
// about either gains nothing, and where they came with something else they are said.

const world = useWorld(['evil', 'good'])
const OWN = {
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
}
const OTHER = {
  synchronous_commit: 'off',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
}
const MODES = `select concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'),
  current_setting('synchronous_commit')) as modes`
const USUAL = [{ modes: 'read committed off on' }]
const optionsOf = (settings: object) =>
  Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${String(value).replaceAll(' ', '\\ ')}`)
    .join(' ')

const stage = async (settings: object) => {
  const texts: string[] = []
  const proxy = await startWireProxy({
    target: world.appUrl,
    onMessage: ({ text }) => void (text !== undefined && texts.push(text)),
  })
  const pool = world.pool({ connectionString: proxy.url, max: 1, options: optionsOf(settings) })
  const close = async () => {
    await pool.end()
    await proxy.close()
  }
  return { pool, tenancy: world.tenancy({ pool }), texts, close }
}

// A pooler refuses start-up parameters, and nothing is remembered of its connections.
describe.skipIf(POOLED)('modes that came with the connection', () => {
  it('are not said again, and hold', async () => {
    const { tenancy, texts, close } = await stage(OWN)
    for (let time = 0; time < 3; time++) await tenancy.query('good', 'select 1')
    texts.length = 0
    expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
    const reads = await tenancy.query('good', MODES, [], { readOnly: true })
    expect(reads.rows).toEqual([{ modes: 'read committed on on' }])
    expect(texts.filter((text) => text.startsWith('begin'))).toEqual(['begin', 'begin read only'])
    await close()
  })

  it('a tenant that changes them for the session changes nothing', async () => {
    const { pool, tenancy, close } = await stage(OWN)
    for (let time = 0; time < 3; time++) await tenancy.query('good', 'select 1')
    const lies = [
      ...Object.entries(OTHER).map(([name, value]) => `select set_config('${name}', '${value}', false)`),
      'set session characteristics as transaction isolation level serializable, read only',
      'alter role current_user set default_transaction_read_only to on',
    ]
    for (const lie of lies) {
      const hidden = `do $$ begin execute '${lie.replaceAll("'", "''")}'; exception when others then null; end $$`
      for (const sql of [lie, hidden]) {
        for (const end of ['', '; declare h cursor with hold for select 1']) {
          await tenancy.query('evil', sql + end).catch(() => undefined)
          expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
        }
      }
      await pool.query(lie.startsWith('alter') ? 'select 1' : lie)
      expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
      expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
    }
    await close()
  })

  it('where they are others, scopes say their own', async () => {
    for (const [name, value] of Object.entries(OTHER)) {
      const { tenancy, close } = await stage({ ...OWN, [name]: value })
      for (let time = 0; time < 3; time++) expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
      await close()
    }
  })
})

it("modes of the server's file are not the connection's own: the file may be read again", async () => {
  const server = await startPostgres({ url: false, settings: OWN })
  const pool = new pg.Pool({ connectionString: server.url, max: 1 })
  const admin = new pg.Pool({ connectionString: server.url, max: 1 })
  try {
    const tenancy = createTenancy({ pool, adminPool: admin, isolation: 'schema' })
    await tenancy.provision('good')
    for (let time = 0; time < 2; time++) await tenancy.query('good', 'select 1')
    for (const [name, value] of Object.entries(OTHER)) {
      await admin.query('set default_transaction_read_only to off')
      await admin.query(`alter system set ${name} to '${value}'`)
    }
    await admin.query('select pg_reload_conf()')
    await eventually(async () => {
      const { rows } = await pool.query<{ modes: string }>(
        `select concat_ws(' ', current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only'),
          current_setting('synchronous_commit')) as modes`,
      )
      return rows[0]?.modes === 'serializable on off'
    })
    for (let time = 0; time < 3; time++) expect((await tenancy.query('good', MODES)).rows).toEqual(USUAL)
  } finally {
    await Promise.all([pool.end(), admin.end()])
    await server.stop()
  }
})
