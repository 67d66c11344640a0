import { describe, expect, test } from 'vitest'
import { useWorld } from '../support/world.ts'

const TYPE = { id: '0001', sql: `create type mood as enum ('sad'); create table notes (id int, mood mood)` }
const ADD = { id: '0002', sql: `alter type mood add value 'calm'` }
const USE = { id: '0003', sql: `alter table notes alter column mood set default 'calm'` }
const more = { id: '0004', sql: `alter type mood add value 'glad'; create table tags (id int)` }
const last = { id: '0005', sql: `alter table notes alter column mood set default 'glad'` }

describe('a new value of an enum that a later migration uses', () => {
  const world = useWorld([])
  const moodOf = async (key: string) => {
    const tenancy = world.tenancy({ migrations: [TYPE, ADD, USE] })
    return (await tenancy.query(key, 'insert into notes (id) values (1) returning mood::text')).rows[0]?.mood
  }

  test('is committed before, by migrate', async () => {
    await world.tenancy({ migrations: [TYPE] }).provision('behind')
    const report = await world.tenancy({ migrations: [TYPE, ADD, USE, more, last] }).migrate()
    expect(report).toMatchObject({ ok: true, tenants: [{ applied: ['0002', '0003', '0004', '0005'] }] })
    expect(await moodOf('behind')).toBe('glad')
  })

  test('is committed before, by provision of a tenant that is behind', async () => {
    await world.tenancy({ migrations: [TYPE] }).provision('late')
    const result = await world.tenancy({ migrations: [TYPE, ADD, USE, more, last] }).provision('late')
    expect(result).toEqual({ created: false, migrations: ['0002', '0003', '0004', '0005'] })
    expect(await moodOf('late')).toBe('glad')
  })

  test('needs no transaction of its own in a tenant that is new', async () => {
    const result = await world.tenancy({ migrations: [TYPE, ADD, USE] }).provision('fresh')
    expect(result).toEqual({ created: true, migrations: ['0001', '0002', '0003'] })
    expect(await moodOf('fresh')).toBe('calm')
  })

  test('is committed before in the shared schema of level row too, and no process takes a part for the whole', async () => {
    const column = `tenant_id text not null default current_setting('app.tenant_id')`
    const first = {
      id: '0001',
      sql: `create type mood as enum ('sad'); create table notes (${column}, id int, mood mood, primary key (tenant_id, id))`,
    }
    const place = {
      isolation: 'row',
      controlSchema: 'rows',
      schemaPrefix: 'w_',
      row: { schema: 'shop' },
    } as const
    await world.tenancy({ ...place, migrations: [first] }).provision('acme')
    const next = [first, { ...ADD, sql: `-- pg-tenant: no-transaction\n${ADD.sql}` }, USE]
    await world.tenancy({ ...place, migrations: next }).provision('globex')
    const glad = { ...more, sql: `alter type mood add value 'glad'` }
    const all = { ...place, migrations: [...next, glad, last] }
    expect(await world.tenancy(all).migrate()).toMatchObject({ ok: true })
    const tenancy = world.tenancy(all)
    const { rows } = await tenancy.query('globex', 'insert into notes (id) values (1) returning mood::text')
    expect(rows).toEqual([{ mood: 'glad' }])
  })
})
