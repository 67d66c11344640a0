import type pg from 'pg'
import type { Subject, SubjectSetup } from '../../src/testing/attack/index.ts'
import { handleOn } from '../hazards/obvious.ts'

/** The control at level row: the tenant in a setting of the session, as most tutorials have it. */
export function obviousRow({ pool, rowSchema, sharedSchema }: SubjectSetup): Subject {
  return {
    name: 'the obvious row helper',
    withTenant: async (tenant, fn) => {
      const client = await pool.connect()
      try {
        await client.query(`set search_path to ${rowSchema}, ${sharedSchema}`)
        await client.query(`select set_config('app.tenant_id', $1, false)`, [tenant])
        await client.query('begin')
        const value = await fn(handleOn(client))
        await client.query('commit')
        return value
      } catch (error) {
        await client.query('rollback').catch(() => {})
        throw error
      } finally {
        client.release()
      }
    },
  }
}

/** The same where somebody forgot the policies: only then can the attacks on them show that they would succeed. */
export function withoutPolicies(root: pg.Pool): (setup: SubjectSetup) => Subject {
  return (setup) => {
    const subject = obviousRow(setup)
    const weakened = root.query(`alter table ${setup.rowSchema}.notes disable row level security`)
    weakened.catch(() => {})
    return {
      ...subject,
      withTenant: async (tenant, fn, options) => {
        await weakened
        return await subject.withTenant(
          tenant,
          (db) => fn({ ...db, copyTo: async () => printed((await db.query('select * from notes')).rows) }),
          options,
        )
      },
    }
  }
}

async function* printed(rows: readonly unknown[]): AsyncGenerator<string> {
  yield JSON.stringify(rows)
}
