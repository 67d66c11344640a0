// @module-tag sampled
import { useTestTenancy } from '@org/pg-testing/vitest'
import pg from 'pg'
import { expect, it } from 'vitest'
import { createTenancy, type IsolationLevel } from '../../src/index.ts'
import { formatAttackReport, type MakeTenant } from '../../src/testing/attack/index.ts'
import { attackIn, kitLeftovers } from '../hazards/kit-world.ts'
import { looksAt } from '../support/sample.ts'

// Every known attack, on tenants that were there before and were adopted and confirmed.

const world = useTestTenancy(createTenancy, { createdb: true })

/** By hand, as the administrator: a schema (at level `database` in a database of its own), its tables, then the adoption. */
const adopted: MakeTenant = async (tenancy, tenant, { adminPool, schema, role, template, migrations }) => {
  const url = new URL(world.adminUrl)
  if (template !== undefined) {
    await adminPool.query(`create database "${role}" template "${template}"`)
    url.pathname = `/${role}`
  }
  const client = new pg.Client(url.href)
  await client.connect()
  try {
    await client.query(`create schema "${schema}"; set search_path to "${schema}"`)
    for (const { sql } of migrations) await client.query(sql)
  } finally {
    await client.end()
  }
  const { connection } = await tenancy.adopt(tenant, { schema, baseline: migrations.at(-1)?.id })
  await tenancy.confirmAdoption(tenant)
  return connection ? { connection } : {}
}

/** Each attack has victims of its own, which are adopted: those on what an adoption leaves; in the slow set all, at one level. */
const SAMPLE = ['l.public', 'o.names', 'n']
const isWhole = (level: IsolationLevel) => process.env.TEST_SLOW && level === 'role'

const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login', 'database']

it.each(LEVELS.filter((level) => looksAt(level, 'role')))(
  'level %s: adopted tenants withstand what provisioned ones do',
  async (isolation) => {
    const report = await attackIn(world, {
      isolation,
      provision: adopted,
      ...(!isWhole(isolation) && { only: SAMPLE }),
    })
    expect(report.ok, formatAttackReport(report)).toBe(true)
    expect(report.findings.filter(({ verdict }) => verdict === 'stopped').length).toBeGreaterThan(0)
    expect(await kitLeftovers(world)).toEqual([])
  },
)
