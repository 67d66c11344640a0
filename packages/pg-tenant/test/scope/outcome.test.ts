import { startWireProxy, type WireMessage, type WireProxy } from '@org/pg-testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenancyOptions } from '../../src/index.ts'
import { eventually, useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
let proxy: WireProxy | undefined

afterEach(() => proxy?.close())

/** A tenancy whose connections go through a proxy that does `act` to messages once `arm()` was called. */
async function through(
  act: (message: WireMessage) => ReturnType<NonNullable<Parameters<typeof startWireProxy>[0]['onMessage']>>,
  options: Partial<TenancyOptions> = {},
): Promise<{ tenancy: Tenancy; arm: () => void }> {
  let armed = false
  let done = false
  proxy = await startWireProxy({
    target: world.appUrl,
    onMessage: (message) => {
      if (!armed || done) return undefined
      const action = act(message)
      if (action !== undefined) done = true
      return action
    },
  })
  const pool = world.pool({ connectionString: proxy.url })
  return {
    tenancy: world.tenancy({ pool, ...options }),
    arm: () => {
      armed = true
    },
  }
}

/** Whether the row is there once nobody works on it any more. */
async function settled(body: string): Promise<boolean> {
  await eventually(async () => {
    const { rows } = await world.root.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where usename = $1 and state <> 'idle'`,
      [world.appRole],
    )
    return rows[0]?.n === 0
  })
  const { rows } = await world.root.query('select 1 from c_acme.notes where body = $1', [body])
  return rows.length === 1
}

const isCommit = (message: WireMessage) =>
  message.from === 'frontend' && message.type === 'Parse' && message.text === 'commit'
const isSync = (message: WireMessage) => message.from === 'frontend' && message.type === 'Sync'

async function write(tenancy: Tenancy, body: string, arm: () => void): Promise<unknown> {
  return tenancy
    .withTenant('acme', async (db) => {
      await db.query('insert into notes (body) values ($1)', [body])
      arm()
    })
    .catch((error: unknown) => error)
}

describe('a connection lost', () => {
  it('before COMMIT left is a definite failure', async () => {
    const { tenancy } = await through(() => undefined)
    const error = await tenancy
      .withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('cut early')`)
        proxy?.cutAll()
        await eventually(
          async () =>
            (await db.query('select 1').catch((caught: { code: string }) => caught.code)) !== undefined,
        )
        await db.query('select 1')
      })
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await settled('cut early')).toBe(false)
  })

  it('with COMMIT on its way, not delivered, is an unknown outcome', async () => {
    const { tenancy, arm } = await through((message) =>
      isCommit(message) || isSync(message) ? 'cut-before' : undefined,
    )
    expect(await write(tenancy, 'commit undelivered', arm)).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(await settled('commit undelivered')).toBe(false)
  })

  it('with COMMIT delivered and its answer lost is an unknown outcome', async () => {
    const { tenancy, arm } = await through((message) => (isSync(message) ? 'cut-after' : undefined))
    expect(await write(tenancy, 'commit delivered', arm)).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    await eventually(() => settled('commit delivered'))
  })

  it('in a one-shot query is an unknown outcome too', async () => {
    const { tenancy, arm } = await through((message) => (isSync(message) ? 'cut-after' : undefined))
    await tenancy.query('acme', 'select 1')
    arm()
    const work = tenancy.query('acme', `insert into notes (body) values ('one shot')`)
    await expect(work).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    await eventually(() => settled('one shot'))
  })

  it('is never retried after an unknown outcome', async () => {
    const { tenancy, arm } = await through((message) => (isSync(message) ? 'cut-after' : undefined))
    await tenancy.query('acme', 'select 1')
    arm()
    const work = tenancy.query('acme', `insert into notes (body) values ('no retry')`, [], {
      retry: { attempts: 5 },
    })
    await expect(work).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
  })

  it('by the server while it was busy with the statement before COMMIT is a definite failure', async () => {
    const { tenancy } = await through(() => undefined)
    const work = tenancy.query('acme', 'select pg_terminate_backend(pg_backend_pid())')
    await expect(work).rejects.toMatchObject({ code: 'DATABASE_ERROR' })
    const killed = tenancy.query('acme', `select pg_sleep(60) as kill_me`).catch((error: unknown) => error)
    await eventually(async () => {
      const { rowCount } = await world.root.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and query like '%kill_me%' and state = 'active'`,
        [world.appRole],
      )
      return (rowCount ?? 0) > 0
    })
    expect(await killed).toMatchObject({ code: 'CONNECTION_LOST' })
  })
})

describe('resolveUnknownOutcome', () => {
  it('finds that it was committed', async () => {
    const { tenancy, arm } = await through(
      (message) => (isSync(message) ? undefined : isCommit(message) ? 'cut-after' : undefined),
      {
        resolveUnknownOutcome: true,
      },
    )
    const lost = await write(tenancy, 'resolved', arm)
    const there = await settled('resolved')
    if (there) expect(lost).toBeUndefined()
    else expect(lost).toMatchObject({ code: 'CONNECTION_LOST' })
  })

  it('finds that it was committed when only the answer was lost', async () => {
    let commits = 0
    const { tenancy, arm } = await through(
      (message) => {
        if (isCommit(message)) commits++
        return commits > 0 && isSync(message) ? 'cut-after' : undefined
      },
      { resolveUnknownOutcome: true },
    )
    expect(await write(tenancy, 'answer lost', arm)).toBeUndefined()
    expect(await settled('answer lost')).toBe(true)
  })

  it('finds that it was rolled back', async () => {
    const { tenancy, arm } = await through((message) => (isCommit(message) ? 'cut-before' : undefined), {
      resolveUnknownOutcome: true,
    })
    expect(await write(tenancy, 'rolled back', arm)).toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await settled('rolled back')).toBe(false)
  })

  it('does not matter for a scope that wrote nothing', async () => {
    const { tenancy, arm } = await through((message) => (isCommit(message) ? 'cut-before' : undefined), {
      resolveUnknownOutcome: true,
    })
    const value = await tenancy.withTenant('acme', async (db) => {
      const { rows } = await db.query('select 1 as one')
      arm()
      return rows
    })
    expect(value).toEqual([{ one: 1 }])
  })

  it('is not believed where other nodes commit ahead of the server (Citus is loaded), whatever the tenancy was told', async () => {
    const setting = 'citus.enable_schema_based_sharding'
    await world.root.query(`alter role ${world.appRole} set ${setting} = off`)
    try {
      for (const work of ['select 1', `insert into notes (body) values ('on another node')`]) {
        const { tenancy, arm } = await through((message) => (isCommit(message) ? 'cut-before' : undefined), {
          resolveUnknownOutcome: true,
        })
        const scope = tenancy.withTenant('acme', async (db) => {
          await db.query(work)
          arm()
        })
        await expect(scope).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
        await proxy?.close()
      }
    } finally {
      await world.root.query(`alter role ${world.appRole} reset ${setting}`)
    }
  })
})

describe('resolveUnknownOutcome, where a scope has used a foreign table', () => {
  beforeAll(async () => {
    const { hostname, port } = new URL(world.appUrl)
    const { rows } = await world.root.query('select current_user as me, current_database() as here')
    const [{ me, here }] = rows as [{ me: string; here: string }]
    await world.root.query(`create extension postgres_fdw schema public;
      create table public.far_away (body text);
      create server far foreign data wrapper postgres_fdw options (host '${hostname}', port '${port}', dbname '${here}');
      create user mapping for public server far options (user '${me}', password_required 'false');
      create foreign table c_acme.far (body text) server far options (schema_name 'public', table_name 'far_away');
      grant select, insert on c_acme.far to public`)
  })
  afterAll(() => world.root.query('drop extension postgres_fdw cascade; drop table public.far_away'))

  it.each([
    'insert into far (body) values ($1)',
    'with near as (insert into notes (body) values ($1)) insert into far (body) values ($1)',
  ])('does not know what the other server did: %s', async (sql) => {
    const { tenancy, arm } = await through((message) => (isCommit(message) ? 'cut-before' : undefined), {
      resolveUnknownOutcome: true,
    })
    const scope = tenancy.withTenant('acme', async (db) => {
      await db.query(sql, ['far'])
      arm()
    })
    await expect(scope).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect((await world.root.query('select from public.far_away')).rowCount).toBe(0)
  })

  it('still knows of a scope that used none', async () => {
    const { tenancy, arm } = await through((message) => (isCommit(message) ? 'cut-before' : undefined), {
      resolveUnknownOutcome: true,
    })
    expect(await write(tenancy, 'near', arm)).toMatchObject({ code: 'CONNECTION_LOST' })
  })
})

describe('another server that is gone', () => {
  it('ends a statement that needs it with CONNECTION_LOST; a protocol violation stays what it is', async () => {
    const tenancy = world.tenancy()
    const raise = (state: string) =>
      tenancy.query('acme', `do $$ begin raise exception using errcode = '${state}'; end $$`)
    for (const state of ['08000', '08001', '08003', '08006'])
      await expect(raise(state)).rejects.toMatchObject({
        code: 'CONNECTION_LOST',
        details: { sqlState: state },
      })
    await expect(raise('08P01')).rejects.toMatchObject({ code: 'DATABASE_ERROR' })
  })
})

describe('a network that swallows everything', () => {
  it('ends a scope soon after its statement timeout, without COMMIT sent as a definite failure', async () => {
    const { tenancy, arm } = await through((message) =>
      message.from === 'frontend' ? 'black-hole' : undefined,
    )
    const work = tenancy.withTenant(
      'acme',
      async (db) => {
        await db.query('select 1')
        arm()
        await db.query('select 2')
      },
      // What is sent before the hole has to come through in it, too.
      { statementTimeout: 3_000 },
    )
    await expect(work).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    proxy?.cutAll()
  })
})
