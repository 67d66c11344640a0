import { randomBytes } from 'node:crypto'
import { beforeAll } from 'vitest'
import { createDataKeys, type DataKeyOptions, type DataKeys } from '../../src/keys/data-keys.ts'
import { keyRing } from '../../src/keys/key-ring.ts'
import { type KeyWrapper, localWrapper } from '../../src/keys/key-wrapper.ts'
import { dataKeyMigration } from '../../src/keys/sql.ts'
import { useWorld, type World } from '../support/world.ts'

export const MASTER = randomBytes(32).toString('hex')

/** A wrapper in this process that counts, and can be switched off. */
export interface TestService extends KeyWrapper {
  wraps: number
  unwraps: number
  down: boolean
}

export function testService(master = MASTER, retired: readonly string[] = []): TestService {
  const local = localWrapper(keyRing({ key: master, retired, format: 'v2' }))
  const service: TestService = {
    wraps: 0,
    unwraps: 0,
    down: false,
    wrap: async (dataKey, place, options) => {
      service.wraps++
      if (service.down) throw new Error(`cannot reach token=${MASTER}`)
      return local.wrap(dataKey, place, options)
    },
    unwrap: async (wrapped, place, options) => {
      service.unwraps++
      if (service.down) throw new Error(`cannot reach token=${MASTER}`)
      return local.unwrap(wrapped, place, options)
    },
  }
  return service
}

/** A clock that stands still until it is told to go on. */
export function testClock(): { now: () => number; pass: (ms: number) => void } {
  let time = 1_000
  return {
    now: () => time,
    pass: (ms) => {
      time += ms
    },
  }
}

/** A database with the table of data keys, and processes that use it as the application's role does. */
export function useDataKeys(): {
  world: World
  process: (options?: Partial<DataKeyOptions>) => DataKeys
  row: (tenant: string) => Promise<StoredRow | undefined>
} {
  const world = useWorld()
  beforeAll(async () => {
    await world.root.query(dataKeyMigration().sql)
    // Again: it does nothing.
    await world.root.query(dataKeyMigration().sql)
    await world.root.query(`grant select, insert, update on tenant_data_key to ${world.appRole}`)
  })
  return {
    world,
    process: (options = {}) =>
      createDataKeys({ db: world.pool({ max: 2 }), wrapper: testService(), ...options }),
    row: async (tenant) => {
      const { rows } = await world.root.query<StoredRow>('select * from tenant_data_key where tenant = $1', [
        tenant,
      ])
      return rows[0]
    },
  }
}

export interface StoredRow {
  readonly keys: { id: string; wrapped: string; from: number }[]
  readonly destroyed_at: Date | null
}

export const placeOf = (tenant: string) => ({ tenant, table: 'app_settings', name: 'smtp.password' })
