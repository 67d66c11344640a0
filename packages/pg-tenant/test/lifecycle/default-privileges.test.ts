// @module-tag sampled
import { afterAll, beforeAll, expect, it } from 'vitest'
import { useSetting } from '../levels/setting.ts'
import { hasTurn } from '../support/sample.ts'

// Teams let the application use what their migrations make: ALTER DEFAULT PRIVILEGES FOR the administrator. Registry, markers and
// ledgers are made by that role as well.

const setting = useSetting()
const { world } = setting
const defaults = (verb: string) =>
  world.root.query(`alter default privileges for role ${world.adminRole} ${verb} ${world.appRole}`)
beforeAll(() => defaults('grant all on tables to'))
afterAll(() => defaults('revoke all on tables from'))

const GIVEN = `select n.nspname || '.' || c.relname as name, a.privilege_type as what
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind = 'r' cross join lateral aclexplode(c.relacl) a
  where (n.nspname = $1 or c.relname ~ '^_tenant_') and a.grantee = $2::regrole and a.privilege_type <> 'SELECT'`

it.each((['schema', 'role', 'login', 'row'] as const).filter((level) => hasTurn(level)))(
  'level %s: default privileges of the administrator give nobody his registry, markers or ledgers',
  async (level) => {
    const control = `control_${level}`
    const tenancy = setting.tenancy(level, {
      controlSchema: control,
      ...(level === 'row' && { row: { schema: 'rows' } }),
    })
    await tenancy.provision('acme')
    expect((await world.root.query(GIVEN, [control, world.appRole])).rows).toEqual([])
    expect((await tenancy.doctor()).counts.SHARED_RIGHTS).toBeUndefined()
    for (const sql of [
      `update ${control}.tenant set plan = 'gold'`,
      `create trigger t after update on ${control}.tenant
      execute function suppress_redundant_updates_trigger()`,
    ])
      await expect(tenancy.query('acme', sql)).rejects.toMatchObject({ details: { sqlState: '42501' } })
    await tenancy.query('acme', `insert into notes (body) values ('x')`)
    // What an earlier release has left so is told.
    await world.root.query(`grant update, trigger on ${control}.tenant to ${world.appRole}`)
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ code }) => code === 'SHARED_RIGHTS')).toMatchObject([
      {
        severity: 'error',
        subject: `${control}.tenant`,
        message: expect.stringContaining('TRIGGER, UPDATE'),
      },
    ])
    await tenancy.drop('acme')
  },
)
