// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { notesAt, useSetting } from '../levels/setting.ts'
import { hasTurn } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'

const setting = useSetting()

describe.each((['row', 'database'] as const).filter((level) => hasTurn(level)))(
  'migrationStatus at level %s',
  (level) => {
    const shared = level === 'row'
    const more = {
      id: '0002_more',
      sql: `create table more (${shared ? 'tenant_id text not null, ' : ''}id int)`,
    }
    const older = () => setting.tenancy(level)
    const newer = () => setting.tenancy(level, { migrations: [notesAt(level), more] })
    const nobody = { have: 0, behind: [], meanMs: null, slowestMs: null }

    it('knows of nobody where there are no tenants', async () => {
      expect(await newer().migrationStatus()).toEqual([
        { id: '0001_notes', lack: 0, phase: 'expand', transaction: true, ...nobody },
        { id: '0002_more', lack: 0, phase: 'expand', transaction: true, ...nobody },
      ])
    })

    it('says who has what and who lacks it, suspended or not, and counts no tenant that is gone', async () => {
      for (const key of ['acme', 'globex', 'gone']) await older().provision(key)
      await older().suspend('globex')
      await older().drop('gone')
      const [first, second] = await newer().migrationStatus()
      expect(first).toMatchObject({ id: '0001_notes', have: 2, lack: 0, behind: [] })
      expect(first?.meanMs).toBeTypeOf('number')
      expect(first?.slowestMs).toBeTypeOf('number')
      expect(second).toMatchObject({ ...nobody, id: '0002_more', lack: 2, behind: ['acme', 'globex'] })
    })

    it('looks at those it is asked for, and names no more than it may', async () => {
      expect((await newer().migrationStatus({ only: ['globex'] }))[1]).toMatchObject({
        lack: 1,
        behind: ['globex'],
      })
      expect((await newer().migrationStatus({ limit: 1 }))[1]).toMatchObject({ lack: 2, behind: ['acme'] })
      await expect(newer().migrationStatus({ only: ['acme', 'nobody'] })).rejects.toMatchObject({
        code: 'TENANT_NOT_FOUND',
        details: { tenant: 'nobody' },
      })
      expect(await codeOf(newer().migrationStatus({ only: ['No Key'] }))).toBe('INVALID_TENANT_KEY')
    })

    it(
      shared ? 'has them all current with the first that is' : 'tells one tenant from the other',
      async () => {
        await newer().provision('acme')
        expect((await newer().migrationStatus())[1]).toMatchObject(
          shared ? { have: 2, lack: 0, behind: [] } : { have: 1, lack: 1, behind: ['globex'] },
        )
        expect((await newer().migrate()).ok).toBe(true)
        for (const one of await newer().migrationStatus())
          expect(one).toMatchObject({ have: 2, lack: 0, behind: [] })
      },
    )
  },
)
