import { describe, expect, it } from 'vitest'
import { codeOf, NOTES, useWorld } from '../support/world.ts'

// Provisioning meets what is not its own: another tenant's schema of that name, a migration that leaves its place.

const world = useWorld([])

describe('a schema of that name', () => {
  it('is made by one of two tenancies whose prefixes overlap, also when both come at once', async () => {
    for (let round = 0; round < 10; round++) {
      // Prefix `p_` with key `q_0` and prefix `p_q_` with key `0` name the schema `p_q_0`.
      const left = world.tenancy({ schemaPrefix: 'p_', rolePrefix: `${world.rolePrefix}l_` })
      const right = world.tenancy({ schemaPrefix: 'p_q_', rolePrefix: `${world.rolePrefix}r_` })
      const outcomes = await Promise.all(
        [left.provision(`q_${round}`), right.provision(`${round}`)].map((work) =>
          work.then(
            ({ created }) => (created ? 'created' : 'found'),
            (error: { code: string }) => error.code,
          ),
        ),
      )
      expect(outcomes.sort()).toEqual(['CONFLICT', 'created'])
    }
  })

  it('with a marker that names somebody else is not touched', async () => {
    const tenancy = world.tenancy()
    await world.root.query(`create schema c_other; create table c_other._tenant_c_ (key text primary key);
      insert into c_other._tenant_c_ values ('somebody');
      grant usage on schema c_other to ${world.adminRole}; grant select on c_other._tenant_c_ to ${world.adminRole}`)
    expect(await codeOf(tenancy.provision('other'))).toBe('CONFLICT')
    expect(await codeOf(tenancy.drop('other'))).toBe('CONFLICT')
    const { rows } = await world.root.query('select key from c_other._tenant_c_')
    expect(rows).toEqual([{ key: 'somebody' }])
  })
})

describe('a migration', () => {
  it('cannot become the administrator', async () => {
    const rogue = world.tenancy({
      migrations: [NOTES, { id: '0002', sql: 'set local role none; create table mine (a int)' }],
    })
    await expect(rogue.provision('rising')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      details: { migration: '0002' },
    })
    expect((await world.root.query(`select to_regnamespace('c_rising') as schema`)).rows).toEqual([
      { schema: null },
    ])
  })

  it('cannot end the transaction at level schema either, where it runs as the administrator', async () => {
    const rogue = world.tenancy({
      isolation: 'schema',
      schemaPrefix: 's_',
      migrations: [{ id: '0001', sql: 'create table early (a int); commit; begin' }],
    })
    await expect(rogue.provision('ending')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      details: { migration: '0001' },
    })
  })
})
