import { describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'
import { rowTenancy } from './row-world.ts'

const world = useWorld([])
const refusal = async (options: Parameters<typeof rowTenancy>[1] = {}) =>
  rowTenancy(world, options)
    .provision('acme')
    .then(
      () => undefined,
      (error: { code: string; details: { reason: string } }) => [error.code, error.details.reason],
    )

describe('the role of the application is refused', () => {
  it.each([
    ['superuser', 'superuser', 'nosuperuser'],
    ['bypass', 'bypassrls', 'nobypassrls'],
    ['createrole', 'createrole', 'nocreaterole'],
  ])('with attribute %s', async (reason, give, take) => {
    await world.root.query(`alter role ${world.appRole} ${give}`)
    const seen = await refusal()
    await world.root.query(`alter role ${world.appRole} ${take}`)
    expect(seen).toEqual(['INVALID_OPTION', reason])
  })

  it('when it is the administrator, or a member of it', async () => {
    expect(await refusal({ pool: world.admin })).toEqual(['INVALID_OPTION', 'createrole'])
    await world.root.query(`grant ${world.adminRole} to ${world.appRole}`)
    const seen = await refusal()
    await world.root.query(`revoke ${world.adminRole} from ${world.appRole}`)
    expect(seen).toEqual(['INVALID_OPTION', 'administrator'])
  })

  it('when it owns a table or the schema', async () => {
    expect(await refusal()).toBeUndefined()
    await world.root.query(`alter table app.notes owner to ${world.appRole}`)
    expect(await refusal()).toEqual(['INVALID_OPTION', 'owner'])
    await world.root.query(`alter table app.notes owner to ${world.adminRole}`)
    await world.root.query(`alter schema app owner to ${world.appRole}`)
    const seen = await refusal()
    await world.root.query(`alter schema app owner to ${world.adminRole}`)
    expect(seen).toEqual(['INVALID_OPTION', 'owner'])
    expect(await refusal()).toBeUndefined()
  })
})
