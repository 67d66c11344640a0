import { channel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { parseTenantKey, runWithTenant } from '@org/core'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import {
  type OperationTrace,
  onSlowScope,
  type ScopeTrace,
  type SlowScope,
  type StatementTrace,
  TRACES,
} from '../../src/observe/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy
const stops: (() => void)[] = []

beforeAll(() => {
  tenancy = world.tenancy()
})
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function hear() {
  const heard = {
    scopes: [] as ScopeTrace[],
    statements: [] as StatementTrace[],
    operations: [] as OperationTrace[],
  }
  stops.push(
    TRACES.scope.listen({ over: (message) => void heard.scopes.push(message) }),
    TRACES.statement.listen({ over: (message) => void heard.statements.push(message) }),
    TRACES.operation.listen({ over: (message) => void heard.operations.push(message) }),
  )
  return heard
}

describe('tracing channels', () => {
  it('tell of a scope and its statements, and of nothing they hold', async () => {
    const heard = hear()
    await tenancy.withTenant('acme', async (db) => {
      await db.query('insert into notes (body) values ($1)', ['canary'])
      await db.queue('insert into notes (body) values ($1)', ['queued'])
      await db.savepoint((inner) => inner.query(`select 'canary', * from notes /* canary */`))
    })
    const [scope] = heard.scopes
    expect(scope).toMatchObject({
      kind: 'callback',
      tenant: 'acme',
      level: 'role',
      readOnly: false,
      statements: 3,
      attempts: 1,
      ms: expect.any(Number),
      waitMs: expect.any(Number),
    })
    expect(scope).not.toHaveProperty('code')
    expect(heard.statements.map(({ operation, rows }) => [operation, rows])).toEqual([
      ['INSERT', 1],
      ['SELECT', 2],
    ])
    expect(heard.statements[1]?.normalised()).toBe('select ? , * from notes')
    expect(heard.statements.every((one) => one.scope === scope)).toBe(true)
    const seen = inspect(heard, { depth: 9, showHidden: true, getters: true })
    expect(seen + JSON.stringify(heard)).not.toContain('canary')
  })

  it('tell of the end of a scope that is refused before anything is sent', async () => {
    const heard = hear()
    const inside = runWithTenant(parseTenantKey('acme'), () => codeOf(tenancy.query('globex', 'select 1')))
    expect(await inside).toBe('CROSS_TENANT')
    expect(heard.scopes).toMatchObject([{ tenant: 'globex', code: 'CROSS_TENANT' }])
  })

  it('say why, and nothing of what somebody threw', async () => {
    const heard = hear()
    const own = tenancy.withTenant('acme', async () => {
      throw new Error('canary')
    })
    await expect(own).rejects.toThrow('canary')
    expect(await codeOf(tenancy.query('acme', `select 'canary'::int4`))).toBe('VALIDATION_ERROR')
    expect(await codeOf(tenancy.query('nobody', 'select 1'))).toBe('SCHEMA_MISSING')
    expect(heard.scopes.map(({ code }) => code)).toEqual(['OTHER', 'VALIDATION_ERROR', 'SCHEMA_MISSING'])
    expect(heard.statements[0]).toMatchObject({ code: 'VALIDATION_ERROR', sqlState: '22P02' })
    expect(inspect(heard, { depth: 9, showHidden: true, getters: true })).not.toContain('canary')
  })

  it('tell of scopes that are opened by hand, streams and COPY', async () => {
    const heard = hear()
    const scope = tenancy.open('acme')
    await scope.db.query('select 1')
    await scope.commit()
    const undone = tenancy.open('acme', { readOnly: true })
    for await (const _ of undone.db.stream('select generate_series(1, 3)', [], { batchSize: 2 }));
    await undone.rollback()
    await tenancy.withTenant('acme', async (db) => {
      for await (const _ of await db.copyTo('copy notes to stdout'));
    })
    expect(heard.scopes.map(({ kind, statements, readOnly }) => [kind, statements, readOnly])).toEqual([
      ['open', 1, false],
      ['open', 2, true],
      ['callback', 1, false],
    ])
    expect(heard.statements.map(({ operation }) => operation)).toEqual(['SELECT', 'SELECT', 'SELECT', 'COPY'])
  })

  it('count attempts of one scope', async () => {
    const heard = hear()
    let runs = 0
    await tenancy.withTenant(
      'acme',
      async (db) => {
        await db.query(
          runs++ === 0 ? `do $$ begin raise exception using errcode = '40001'; end $$` : 'select 1',
        )
      },
      { retry: { attempts: 2 } },
    )
    expect(heard.scopes).toHaveLength(1)
    expect(heard.scopes[0]).toMatchObject({ attempts: 2, statements: 2 })
  })

  it('tell of what an administrator does, and only keys of tenants', async () => {
    const heard = hear()
    await tenancy.provision('initech')
    await tenancy.suspend('initech', 'canary')
    expect(await codeOf(tenancy.resume('Canary@example.com'))).toBe('INVALID_TENANT_KEY')
    expect(heard.operations.map(({ operation, tenant, code }) => [operation, tenant, code])).toEqual([
      ['provision', 'initech', undefined],
      ['suspend', 'initech', undefined],
      ['resume', undefined, 'INVALID_TENANT_KEY'],
    ])
  })

  it('are those of node:diagnostics_channel', async () => {
    const names: string[] = []
    const listen = (_: unknown, name: string | symbol) => void names.push(String(name))
    const all = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) =>
      channel(`tracing:pg-tenant:scope:${event}`),
    )
    for (const one of all) one.subscribe(listen)
    await tenancy.query('acme', 'select 1')
    for (const one of all) one.unsubscribe(listen)
    expect(names.map((name) => name.split(':').at(-1))).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
  })

  it('make no message where nobody listens', async () => {
    expect(TRACES.scope.hasSubscribers).toBe(false)
    let made = 0
    await TRACES.job.trace(
      () => {
        made++
        return { job: 'x' }
      },
      async () => {},
    )
    expect(made).toBe(0)
  })
})

describe('onSlowScope', () => {
  it('names the slow statements of a slow scope, by their shape', async () => {
    const slow: SlowScope[] = []
    stops.push(
      onSlowScope({ threshold: 100, slowest: 1 }, (scope) => {
        slow.push(scope)
        throw new Error('a log that fails')
      }),
    )
    await tenancy.query('acme', 'select 1')
    await tenancy.withTenant('acme', async (db) => {
      await db.query('select 1')
      await db.query('select pg_sleep(0.2), $1::text', ['canary'])
    })
    expect(slow.at(-1)).toMatchObject({
      tenant: 'acme',
      statements: 2,
      slowest: [{ operation: 'SELECT', fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), rows: 1 }],
    })
    expect(JSON.stringify(slow)).not.toContain('canary')
    expect(() => onSlowScope({ threshold: 0 }, () => {})).toThrow(/threshold/)
    expect(() => onSlowScope({ slowest: -1 }, () => {})).toThrow(/slowest/)
  })
})
