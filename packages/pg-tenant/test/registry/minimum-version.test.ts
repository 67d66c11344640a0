import { describe, expect, it } from 'vitest'
import type { Migration } from '../../src/index.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'

const world = useWorld(['acme', 'globex'])
const MORE: Migration = { id: '0002_more', sql: 'create table more (id int)' }
const migrations = [NOTES, MORE]
const version = async (key: string): Promise<string> =>
  (await world.root.query('select schema_version as v from tenancy.tenant where key = $1', [key])).rows[0].v

describe('minimumVersion', () => {
  it('refuses a tenant below it before anything of its scope runs, and lets it in when it was migrated', async () => {
    const tenancy = world.tenancy({ migrations, minimumVersion: MORE.id })
    let ran = false
    const entered = tenancy.withTenant('acme', async () => {
      ran = true
    })
    expect(await codeOf(entered)).toBe('SERVICE_UNAVAILABLE')
    expect(await codeOf(tenancy.query('acme', 'select 1'))).toBe('SERVICE_UNAVAILABLE')
    expect(ran).toBe(false)
    await world.tenancy({ migrations }).migrate({ only: ['acme'] })
    expect((await tenancy.query('acme', 'select * from more')).rows).toEqual([])
    expect(await codeOf(tenancy.query('globex', 'select 1'))).toBe('SERVICE_UNAVAILABLE')
    expect(await codeOf(tenancy.query('nobody', 'select 1'))).toBe('SCHEMA_MISSING')
  })

  it('waits for a migration that is under way', async () => {
    const tenancy = world.tenancy({ migrations, minimumVersion: { id: MORE.id, waitMs: 30_000 } })
    const waiting = tenancy.query('globex', 'select * from more')
    expect(await version('globex')).toBe(NOTES.id)
    await world.tenancy({ migrations }).migrate({ only: ['globex'] })
    expect((await waiting).rows).toEqual([])
  })

  it('asks again behind a drop', async () => {
    const tenancy = world.tenancy({ migrations, minimumVersion: MORE.id })
    await tenancy.provision('again')
    await tenancy.query('again', 'select 1')
    await tenancy.drop('again')
    await world.tenancy({ migrations: [NOTES] }).provision('again', { reuseDeletedKey: true })
    expect(await codeOf(tenancy.query('again', 'select 1'))).toBe('SERVICE_UNAVAILABLE')
  })

  it('asks again when it hears that something changed elsewhere', async () => {
    const [url, app] = [new URL(world.url), new URL(world.appUrl)]
    url.username = app.username
    url.password = app.password
    const listen = { connectionString: url.href }
    const tenancy = world.tenancy({ migrations, minimumVersion: MORE.id, lookups: { listen } })
    const other = world.tenancy({ migrations })
    await other.provision('moved')
    await tenancy.query('moved', 'select 1')
    await other.drop('moved')
    await world.tenancy().provision('moved', { reuseDeletedKey: true })
    await eventually(async () => {
      const code = await tenancy.query('moved', 'select 1').then(
        () => 'let in',
        (error: { code: string }) => error.code,
      )
      return code === 'SERVICE_UNAVAILABLE'
    })
    await tenancy.close()
  })

  it.each([
    ['0009_none', {}],
    [{ id: MORE.id, waitMs: -1 }, {}],
    [{ id: MORE.id, waitMs: 0.5 }, {}],
    [7 as unknown as string, {}],
    [MORE.id, { isolation: 'row', row: { schema: 'shared' } } as const],
  ])('is refused as %j with %j', (minimumVersion, more) => {
    expect(() => world.tenancy({ migrations, minimumVersion, ...more })).toThrowError(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})
