// @module-tag sampled
import type { TenantKey } from '@org/core'
import { hasPgBouncer, startPgBouncer } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { type EnterScope, type ProbeDb, verdictOf } from '../../src/verify/probe.ts'
import { formatVerifyReport } from '../../src/verify/report.ts'
import { verifyIsolation } from '../../src/verify/verify.ts'
import { SUBJECTS } from '../levels/setting.ts'
import { NOTES as ROW_NOTES, rowTenancy } from '../row/row-world.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { failures, outcomesOf, useVerifySetting } from './verify-world.ts'

const setting = useVerifySetting()
const KEYS = ['acme', 'globex', 'initech']
const root = (sql: string) => setting.world.root.query(sql)
const server = async () => Number((await root('show server_version_num')).rows[0].server_version_num)

/** Takes a protection away for as long as it takes to verify. */
async function without(sql: string, back: string, verify: () => Promise<void>): Promise<void> {
  await root(sql)
  try {
    await verify()
  } finally {
    await root(back)
  }
}

beforeAll(async () => {
  await root(`revoke create on schema public from public`)
  for (const { level } of SUBJECTS) {
    const tenancy = setting.tenancy(level)
    for (const key of KEYS) await tenancy.provision(key)
  }
})

describe.each(SUBJECTS.filter(({ level }) => hasTurn(level)))(
  'a sound world of level $level',
  ({ level, stopsNames, stopsRoleChange }) => {
    it('passes, says what the level does not promise, and is left as it was', async () => {
      const report = await setting.verifiable(level).verify()
      expect(failures(report)).toEqual([])
      expect(report).toMatchObject({ level, ok: true, tenants: 3 })
      expect(outcomesOf(report, 'foreign_read')).toEqual([stopsNames ? 'passed' : 'not promised'])
      expect(outcomesOf(report, 'foreign_write')).toEqual([stopsNames ? 'passed' : 'not promised'])
      expect(outcomesOf(report, 'foreign_ddl')).toEqual([stopsNames ? 'passed' : 'not promised'])
      expect(outcomesOf(report, 'bare_connection')).toEqual([stopsNames ? 'passed' : 'not promised'])
      expect(outcomesOf(report, 'role_in_sql')).toEqual([
        level === 'login' || level === 'database' ? 'passed' : 'not promised',
      ])
      expect(stopsRoleChange).toBe(level === 'login' || level === 'database')
      for (const id of [
        'application_rights',
        'leftovers',
        'own_place',
        'write_read',
        'foreign_visible',
        'role_statement',
        'role_admin',
        'public_create',
      ] as const) {
        expect(outcomesOf(report, id), id).toEqual(['passed'])
      }
      expect(JSON.parse(JSON.stringify(report))).toEqual(report)
      expect(report.checks.filter(({ id }) => id === 'foreign_read')).toHaveLength(6)
      const what = `select (select count(*) from pg_class where relname like '\\_tenant\\_verify%')::int as tables,
      (select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))::int as locks`
      expect((await setting.rootAt(level, 'acme', what)).rows).toEqual([{ tables: 0, locks: 0 }])
    })

    it('finds a suspended tenant closed', async () => {
      const tenancy = setting.tenancy(level)
      await tenancy.suspend('acme')
      try {
        const report = await setting.verifiable(level).verify()
        expect(outcomesOf(report, 'suspended')).toEqual(['passed'])
        expect(report.ok).toBe(true)
      } finally {
        await tenancy.resume('acme')
      }
    })
  },
)

describe.skipIf(SLOW)('finds that', () => {
  it('the application is a superuser', async () => {
    const { appRole } = setting.world
    await without(`alter role ${appRole} superuser`, `alter role ${appRole} nosuperuser`, async () => {
      const report = await setting.verifiable('role').verify()
      expect(failures(report)).toEqual(
        expect.arrayContaining(['application_rights', 'bare_connection', 'role_admin']),
      )
      expect(report.ok).toBe(false)
    })
  })

  it('the application inherits from a tenant', async () => {
    const [role, app] = [setting.roleOf('role', 'globex'), setting.world.appRole]
    const sixteen = (await server()) >= 160_000
    const [bad, good] = sixteen
      ? [`grant ${role} to ${app} with inherit true`, `grant ${role} to ${app} with inherit false`]
      : [`alter role ${app} inherit`, `alter role ${app} noinherit`]
    // The administrator's grant is another one: PostgreSQL keeps one for each grantor.
    await without(
      `set role ${setting.world.adminRole}; ${sixteen ? bad : 'reset role'}; reset role; ${sixteen ? 'select 1' : bad}`,
      `set role ${setting.world.adminRole}; ${sixteen ? good : 'reset role'}; reset role; ${sixteen ? 'select 1' : good}`,
      async () => {
        const report = await setting.verifiable('role').verify()
        expect(failures(report)).toEqual(['bare_connection'])
      },
    )
  })

  it('the application may become the administrator', async () => {
    const { appRole, adminRole } = setting.world
    await without(`grant ${adminRole} to ${appRole}`, `revoke ${adminRole} from ${appRole}`, async () => {
      expect(failures(await setting.verifiable('schema').verify())).toEqual(['role_admin'])
      // What one check was let through to is undone before the next: it does not go on as the administrator.
      expect(failures(await setting.verifiable('role').verify())).toEqual(['role_admin'])
    })
  })

  it('a tenant may read a foreign table', async () => {
    const [schema, role] = [setting.schemaOf('role', 'globex'), setting.roleOf('role', 'acme')]
    await without(
      `grant usage on schema ${schema} to ${role}; grant select on ${schema}.notes to ${role}`,
      `revoke usage on schema ${schema} from ${role}; revoke select on ${schema}.notes from ${role}`,
      async () => {
        expect(failures(await setting.verifiable('role').verify())).toEqual(['foreign_read', 'grants'])
      },
    )
  })

  it('a tenant may write a foreign table', async () => {
    const [schema, role] = [setting.schemaOf('role', 'globex'), setting.roleOf('role', 'acme')]
    for (const right of ['insert', 'delete']) {
      await without(
        `grant usage on schema ${schema} to ${role}; grant ${right} on ${schema}.notes to ${role}`,
        `revoke usage on schema ${schema} from ${role}; revoke ${right} on ${schema}.notes from ${role}`,
        async () => {
          expect(failures(await setting.verifiable('role').verify())).toEqual(['foreign_write', 'grants'])
        },
      )
    }
  })

  it('a tenant may create in a foreign schema', async () => {
    const [schema, role] = [setting.schemaOf('login', 'globex'), setting.roleOf('login', 'acme')]
    await without(
      `grant usage, create on schema ${schema} to ${role}`,
      `revoke usage, create on schema ${schema} from ${role}`,
      async () => {
        expect(failures(await setting.verifiable('login').verify())).toEqual(['foreign_ddl', 'grants'])
      },
    )
  })

  it('somebody outside the pairs that were tried has rights', async () => {
    const schema = setting.schemaOf('role', 'initech')
    await without(
      `grant usage on schema ${schema} to public`,
      `revoke usage on schema ${schema} from public`,
      async () => {
        const report = await setting.verifiable('role').verify({ tenants: ['acme'], against: 1 })
        expect(failures(report)).toEqual(['grants'])
        expect(report.checks.find(({ id }) => id === 'grants')?.evidence).toBe(
          `PUBLIC has USAGE on ${schema}`,
        )
      },
    )
  })

  it('a tenant is a member of another', async () => {
    const [acme, globex] = [setting.roleOf('login', 'acme'), setting.roleOf('login', 'globex')]
    await without(`grant ${globex} to ${acme}`, `revoke ${globex} from ${acme}`, async () => {
      expect(failures(await setting.verifiable('login').verify())).toEqual(
        expect.arrayContaining(['grants', 'role_in_sql']),
      )
    })
  })

  it("a tenant may connect to another's database", async () => {
    const database = setting.roleOf('database', 'globex')
    await without(
      `grant connect on database ${database} to public`,
      `revoke connect on database ${database} from public`,
      async () => {
        expect(failures(await setting.verifiable('database').verify())).toEqual([
          'foreign_database',
          'grants',
        ])
      },
    )
  })

  it('anybody may create in a shared schema', async () => {
    await without(
      'grant create on schema public to public',
      'revoke create on schema public from public',
      async () => {
        expect(failures(await setting.verifiable('role').verify())).toEqual(['public_create'])
      },
    )
  })

  it("another tenant's schema is in the path", async () => {
    const [shared, role] = [setting.schemaOf('role', 'globex'), setting.roleOf('role', 'acme')]
    await without(
      `grant usage on schema ${shared} to ${role}`,
      `revoke usage on schema ${shared} from ${role}`,
      async () => {
        const verifiable = setting.verifiable('role', { sharedSchemas: ['public', shared] })
        const report = await verifiable.verify({ tenants: ['acme'] })
        expect(failures(report)).toContain('foreign_visible')
      },
    )
  })

  it('a tenant has lost its privileges', async () => {
    const [schema, role] = [setting.schemaOf('role', 'acme'), setting.roleOf('role', 'acme')]
    await without(
      `revoke create on schema ${schema} from ${role}`,
      `grant create on schema ${schema} to ${role}`,
      async () => {
        expect(failures(await setting.verifiable('role').verify())).toEqual(['write_read'])
      },
    )
    await without(
      `revoke usage on schema ${schema} from ${role}`,
      `grant usage on schema ${schema} to ${role}`,
      async () => {
        const report = await setting.verifiable('role').verify()
        expect(failures(report)).toContain('own_place')
        expect(
          report.checks.find(({ outcome, tenant }) => outcome === 'failed' && tenant === 'acme')?.evidence,
        ).toContain('SCHEMA_UNUSABLE')
      },
    )
  })

  it("a tenant's role has special rights", async () => {
    const role = setting.roleOf('role', 'acme')
    await without(`alter role ${role} bypassrls`, `alter role ${role} nobypassrls`, async () => {
      expect(failures(await setting.verifiable('role').verify())).toEqual(['own_place'])
    })
  })

  it('a suspended tenant can be entered', async () => {
    const tenancy = setting.tenancy('role')
    const [schema, role] = [setting.schemaOf('role', 'acme'), setting.roleOf('role', 'acme')]
    await tenancy.suspend('acme')
    await without(
      `grant usage on schema ${schema} to ${role}`,
      `revoke usage on schema ${schema} from ${role}`,
      async () => {
        expect(failures(await setting.verifiable('role').verify())).toEqual(['suspended'])
      },
    )
    await tenancy.resume('acme')
  })
})

describe.skipIf(!hasPgBouncer())('through PgBouncer in transaction mode', () => {
  it('passes as on a direct connection', async () => {
    const { world } = setting
    const pooler = await startPgBouncer({ url: world.url, users: { [world.appRole]: 'app' }, poolSize: 2 })
    const url = new URL(pooler.url)
    url.username = world.appRole
    const pool = world.pool({ connectionString: url.href, max: 4 })
    try {
      const report = await setting.verifiable('role', { pool }).verify()
      expect(failures(report)).toEqual([])
      expect(outcomesOf(report, 'leftovers')).toEqual(['passed'])
    } finally {
      await pool.end()
      await pooler.stop()
    }
  })
})

describe.skipIf(SLOW)('level row', () => {
  it('passes; fails when the policies of a table are switched off', async () => {
    const { world } = setting
    const row = rowTenancy(world, {
      pool: world.pool({ connectionString: setting.directUrl }),
      schemaPrefix: 'row_',
      row: { schema: 'rows' },
      migrations: [ROW_NOTES],
    })
    for (const key of KEYS) {
      await row.provision(key)
      await row.query(key, `insert into notes (body) values ($1)`, [key])
    }
    const enter: EnterScope = (tenant, fn) => row.withTenant(tenant, fn)
    const report = await verifyIsolation(row.lifecycle, enter)
    expect(failures(report)).toEqual([])
    for (const id of [
      'foreign_read',
      'foreign_write',
      'bare_connection',
      'own_place',
      'leftovers',
    ] as const) {
      expect(outcomesOf(report, id), id).toEqual(['passed'])
    }
    await without(
      'alter table rows.notes disable row level security',
      'alter table rows.notes enable row level security',
      async () => {
        expect(failures(await verifyIsolation(row.lifecycle, enter))).toEqual([
          'bare_connection',
          'foreign_read',
          'foreign_write',
        ])
      },
    )
  })
})

describe.skipIf(SLOW)('level row, as createTenancy puts it together', () => {
  const tenancy = () =>
    setting.tenancy('row', { schemaPrefix: 'whole_', row: { schema: 'shared' }, migrations: [ROW_NOTES] })
  beforeAll(async () => {
    for (const key of KEYS) {
      await tenancy().provision(key)
      await tenancy().query(key, `insert into notes (body) values ($1)`, [key])
    }
  })

  it('passes, and tries the shared tables', async () => {
    const report = await tenancy().verify()
    expect(failures(report)).toEqual([])
    expect(report).toMatchObject({ level: 'row', ok: true, tenants: 3 })
    for (const id of [
      'own_place',
      'foreign_read',
      'foreign_write',
      'bare_connection',
      'public_create',
    ] as const)
      expect(outcomesOf(report, id), id).toEqual(['passed'])
    expect(outcomesOf(report, 'role_in_sql')).toEqual(['not promised'])
    expect(report.checks.filter(({ id }) => id === 'bare_connection').map(({ against }) => against)).toEqual([
      'notes',
    ])
  })

  it('fails when a policy lets rows of others through, and when a suspended tenant is let in', async () => {
    await without(
      'create policy more on shared.notes using (true)',
      'drop policy more on shared.notes',
      async () => {
        expect(failures(await tenancy().verify())).toEqual([
          'bare_connection',
          'foreign_read',
          'foreign_write',
        ])
      },
    )
    await tenancy().suspend('acme')
    expect(outcomesOf(await tenancy().verify(), 'suspended')).toEqual(['passed'])
    await without(
      `create or replace function shared._tenant_whole_(tenant text, path text) returns boolean
         language plpgsql volatile strict security definer as 'begin return true; end'`,
      'select 1',
      async () => {
        expect(failures(await tenancy().verify())).toEqual(['suspended'])
      },
    )
    await tenancy().resume('acme')
    await tenancy().provision('acme')
    expect(failures(await tenancy().verify())).toEqual([])
  })
})

describe.skipIf(SLOW)('with the obvious helper instead of a scope', () => {
  it('finds what it leaves behind and that it takes any role', async () => {
    const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
    const { lifecycle } = setting.verifiable('role', { pool })
    const enter: EnterScope = async (tenant: TenantKey, fn) => {
      const client = await pool.connect()
      const db: ProbeDb = {
        query: (text: string, values?: readonly unknown[]) => client.query(text, values && [...values]),
        savepoint: async (inner) => {
          await client.query('savepoint s')
          try {
            return await inner(db)
          } catch (error) {
            await client.query('rollback to savepoint s')
            throw error
          }
        },
      }
      try {
        await client.query('begin')
        await client.query(`set local role ${setting.roleOf('role', tenant)}`)
        await client.query(`set local search_path to ${setting.schemaOf('role', tenant)}, public`)
        const value = await fn(db)
        await client.query('commit')
        return value
      } catch (error) {
        await client.query('rollback')
        throw error
      } finally {
        client.release()
      }
    }
    const report = await verifyIsolation(lifecycle, enter, { concurrency: 1 })
    expect(failures(report)).toEqual(['leftovers', 'role_statement'])
  })

  it('finds a scope that is in the wrong place', async () => {
    const { lifecycle, enter } = setting.verifiable('role')
    const wrong: EnterScope = (_tenant, fn) => enter('globex' as TenantKey, fn)
    const report = await verifyIsolation(lifecycle, wrong, { tenants: ['acme'] })
    expect(failures(report)).toEqual(
      expect.arrayContaining(['own_place', 'foreign_read', 'foreign_write', 'foreign_ddl']),
    )
  })
})

describe.skipIf(SLOW)('options', () => {
  it('choose tenants by key or at random', async () => {
    const { verify } = setting.verifiable('role')
    const some = await verify({ tenants: ['acme'] })
    expect(some.tenants).toBe(1)
    expect(
      new Set(some.checks.filter(({ id }) => id === 'foreign_read').map(({ against }) => against)),
    ).toEqual(new Set(['globex', 'initech']))
    expect((await verify({ tenants: { sample: 2 } })).tenants).toBe(2)
    expect(
      (await verify({ tenants: { sample: 99 }, against: 1 })).checks.filter(({ id }) => id === 'foreign_ddl'),
    ).toHaveLength(3)
  })

  it('are checked before anything is sent', async () => {
    const { verify } = setting.verifiable('role')
    expect(await codeOf(verify({ against: 0 }))).toBe('INVALID_OPTION')
    expect(await codeOf(verify({ concurrency: 0.5 }))).toBe('INVALID_OPTION')
    expect(await codeOf(verify({ tenants: { sample: 0 } }))).toBe('INVALID_OPTION')
    expect(await codeOf(verify({ tenants: ['No!'] }))).toBe('INVALID_TENANT_KEY')
    expect(await codeOf(verify({ tenants: ['nobody'] }))).toBe('TENANT_NOT_FOUND')
  })
})

it('is not ok when there is nothing to verify but the application', async () => {
  const { lifecycle, enter } = setting.verifiable('role')
  const report = await verifyIsolation(
    { ...lifecycle, registry: { ...lifecycle.registry, prefix: 'other_' } },
    enter,
  )
  expect(report).toMatchObject({ tenants: 0 })
})

it('reports for people: a line for each check, then what failed and what to do', async () => {
  const text = formatVerifyReport(await setting.verifiable('schema').verify())
  expect(text).toContain('✓ a scope is in its own place, as its own role (3 passed)')
  expect(text).toContain("– another tenant's table cannot be read (6 not promised)")
  const schema = setting.schemaOf('role', 'acme')
  await without(
    `grant usage on schema ${schema} to public`,
    `revoke usage on schema ${schema} from public`,
    async () => {
      const bad = formatVerifyReport(await setting.verifiable('role').verify())
      expect(bad).toContain(`grants: application: PUBLIC has USAGE on ${schema}`)
      expect(bad).toContain('REVOKE that right')
    },
  )
})

it('says of a tenant that is alone what could not be tried', async () => {
  const { world } = setting
  const lone = world.tenancy({ schemaPrefix: 'lone_', rolePrefix: `${world.rolePrefix}lone_` })
  await lone.provision('acme')
  const report = await lone.verify()
  expect(failures(report)).toEqual([])
  for (const id of ['foreign_read', 'foreign_write', 'foreign_ddl'] as const)
    expect(outcomesOf(report, id), id).toEqual(['not checked'])
  const text = formatVerifyReport(report)
  expect(text).toContain('isolation level role, 1 tenant, ')
  expect(text).toContain(
    "– another tenant's table cannot be read (1 not checked: there is no other tenant: create a second one)",
  )
})

it('takes no other error for a refusal', () => {
  expect(verdictOf('42501', ['42501']).outcome).toBe('passed')
  for (const code of ['57014', '53300', 'CONNECTION_LOST', 'TIMEOUT', '23502'])
    expect(verdictOf(code, ['42501']).outcome, code).toBe('failed')
  for (const code of ['42P01', '3F000']) expect(verdictOf(code, ['42501']).outcome, code).toBe('not checked')
})
