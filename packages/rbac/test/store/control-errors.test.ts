import { expect, it } from 'vitest'
import { installRbac } from '../../src/store/index.ts'
import { codeOf } from '../support/world.ts'
import { acme, type Store, useRbac } from './rbac-world.ts'

const rbac = useRbac()

/** Everything that writes to the control schema. */
const CHANGES: [string, (store: Store) => Promise<unknown>][] = [
  ['assignPackage', (store) => store.assignPackage(acme, 'basic')],
  ['setTenant', (store) => store.setTenant(acme, { plan: 'none' })],
  ['takeResource', (store) => store.takeResource(acme, 'users', 1, 2)],
  ['syncCatalog', (store) => store.syncCatalog()],
  ['seed', (store) => rbac.tenancy.withTenant(acme, (db) => store.seed(db, { package: 'basic' }))],
]

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

it.each(CHANGES)('%s says what to do where nothing was installed', async (_, change) => {
  expect(await refusal(change(rbac.store({ controlSchema: 'nowhere' })))).toMatchObject({
    code: 'DATABASE_ERROR',
    message: expect.stringContaining('installRbac'),
  })
})

it.each(CHANGES)('%s says so too to a role that is no manager', { tags: 'slow' }, async (_, change) => {
  await installRbac(rbac.world.admin, { controlSchema: 'theirs' })
  expect(await refusal(change(rbac.store({ controlSchema: 'theirs' })))).toMatchObject({
    code: 'DATABASE_ERROR',
    message: expect.stringContaining('managers'),
  })
})

it.each(CHANGES)('%s is refused, not half done, when nothing answers', async (_, change) => {
  const control = { query: () => Promise.reject(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })) }
  expect(await codeOf(change(rbac.store({ control })))).toBe('SERVICE_UNAVAILABLE')
  const { rows } = await rbac.tenancy.query(acme, 'select from "group"')
  expect(rows).toEqual([])
})

it.each(CHANGES.filter(([name]) => name === 'assignPackage' || name === 'seed'))(
  '%s asks for syncCatalog where the catalogue is not stored yet',
  async (_, change) => {
    await installRbac(rbac.world.admin, { controlSchema: 'empty', managers: [rbac.world.appRole] })
    expect(await refusal(change(rbac.store({ controlSchema: 'empty' })))).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('syncCatalog'),
    })
  },
)

it('an error of the driver brings none of its values along', async () => {
  const control = {
    query: () =>
      Promise.reject(Object.assign(new Error('hunter2'), { code: '23514', detail: 'Failing row (hunter2)' })),
  }
  const error = await refusal(rbac.store({ control }).assignPackage(acme, 'basic'))
  expect(error).toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '23514' } })
  expect([String(error), JSON.stringify(error), (error as Error).cause].join()).not.toContain('hunter2')
})
