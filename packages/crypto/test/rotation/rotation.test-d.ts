import { createTenancy, type TenantDb } from '@org/pg-tenant'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type pg from 'pg'
import type { Envelopes } from '../../src/envelope/envelopes.ts'
import * as rotation from '../../src/index.ts'

const { assertKeyUnused, keysInUse, rotate, rotateTenant } = rotation
declare const db: TenantDb
declare const pool: pg.Pool
declare const ring: Envelopes

export async function fleets(): Promise<void> {
  const { withTenant } = createTenancy({ pool })
  const report = await rotate({ tenants: ['acme'], withTenant, secrets: ring })
  expectType<Equal<typeof report, rotation.RotationReport>>(true)
  await rotate({ tenants: new Set<string>(), withTenant, secrets: async () => ring, dryRun: true })
  await rotate({
    tenants: [],
    withTenant,
    secrets: ring,
    tables: [
      { table: 't', key: ['a', { column: 'id', type: 'uuid' }], value: 'v', nameOf: (a, id) => `${a}/${id}` },
    ],
  })
  await rotateTenant(db, { secrets: ring })
  await assertKeyUnused('k', { tenants: [], withTenant, secrets: ring })
  // @ts-expect-error secrets are needed
  await rotate({ tenants: [], withTenant })
  // @ts-expect-error tenants are needed
  await rotate({ withTenant, secrets: ring })
  // @ts-expect-error a pool has no tenant
  await rotateTenant(pool, { secrets: ring })
  // @ts-expect-error tenants belong to rotate
  await rotateTenant(db, { secrets: ring, tenants: [] })
  // @ts-expect-error a type that is not known
  const wrong: rotation.KeyColumn = { column: 'a', type: 'json' }
  await rotateTenant(db, { secrets: ring, tables: [{ table: 't', key: wrong, value: 'v' }] })
  // @ts-expect-error looking changes nothing
  await keysInUse({ tenants: [], withTenant, secrets: ring, plaintext: 'seal' })
  // @ts-expect-error looking at a part proves nothing
  await assertKeyUnused('k', { tenants: [], withTenant, secrets: ring, startAfter: 'acme' })
}

expectType<Equal<AnyIn<typeof rotation>, never>>(true)
