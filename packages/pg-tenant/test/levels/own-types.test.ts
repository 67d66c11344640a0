// @module-tag sampled
import { expect, it } from 'vitest'
import { hasTurn } from '../support/sample.ts'
import { ALL_SUBJECTS, useSetting } from './setting.ts'

// Types of a migration have one OID for each tenant, at level `database` perhaps the same one for two types of two tenants.

const setting = useSetting()
const TYPES = `create type mood as enum ('sad', 'calm'); create domain cents as int;`
const COLUMNS = `moods mood[] default '{sad,calm}', prices cents[] default '{1,2}'`

it.each(ALL_SUBJECTS.filter(({ level }) => hasTurn(level)))(
  'arrays of own types are arrays, at level $level',
  async ({ level, shares }) => {
    const table = shares
      ? `create table things (tenant_id text not null default current_setting('app.tenant_id'), id int,
        ${COLUMNS}, primary key (tenant_id, id))`
      : `create table things (id int primary key, ${COLUMNS})`
    const tenancy = setting.tenancy(level, {
      migrations: [{ id: '0001', sql: `${TYPES}${table}` }],
      types: { cents: (text) => Number(text) / 100 },
    })
    for (const key of ['acme', 'globex']) {
      await tenancy.provision(key)
      await tenancy.query(key, 'insert into things (id) values (1)')
      const { rows, fields } = await tenancy.query(key, 'select moods, prices from things')
      expect(rows).toEqual([{ moods: ['sad', 'calm'], prices: [0.01, 0.02] }])
      expect(fields.map(({ dataTypeName }) => dataTypeName)).toEqual(['mood[]', 'cents[]'])
    }
  },
)
