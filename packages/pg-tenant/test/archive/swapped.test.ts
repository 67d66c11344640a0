import { PassThrough } from 'node:stream'
import type { PoolClient } from 'pg'
import { expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { useWorld } from '../support/world.ts'
import { lifecycleOf, provisioned } from './support.ts'

const world = useWorld([])

it('a sequence that is a view by the time it is read runs its code with the tenant’s rights alone', async () => {
  const lifecycle = lifecycleOf(world)
  const tenant = await provisioned(lifecycle, 'swaps')
  const tenancy = world.tenancy()
  for (const sql of [
    'create sequence counted',
    `create function evil() returns bigint language plpgsql as $f$ begin
       perform set_config('role', 'none', true); raise warning 'became %', current_user; return 1;
       exception when others then raise warning 'is still %', current_user; return 1; end $f$`,
  ])
    await tenancy.query('swaps', sql)
  const heard: string[] = []
  let swapped = false
  // A backup of much data is long; here it waits right before it reads its sequences.
  const swap = async () => {
    swapped = true
    await tenancy.query('swaps', 'drop sequence counted')
    await tenancy.query('swaps', 'create view counted as select evil() as last_value, true as is_called')
  }
  const watch = (client: PoolClient): PoolClient => {
    client.on('notice', ({ message }) => heard.push(String(message)))
    return new Proxy(client, {
      get: (one, key) => {
        const value = Reflect.get(one, key)
        if (key !== 'query') return typeof value === 'function' ? value.bind(one) : value
        return async (...values: unknown[]) => {
          if (!swapped && /grant select on sequence %I/.test(String(values[0]))) await swap()
          return Reflect.apply(value, one, values)
        }
      },
    })
  }
  const adminPool = new Proxy(lifecycle.adminPool, {
    get: (pool, name) => {
      const value = Reflect.get(pool, name)
      if (name !== 'connect') return typeof value === 'function' ? value.bind(pool) : value
      return async () => watch((await pool.connect()) as unknown as PoolClient)
    },
  })
  await backupTenant({ ...lifecycle, adminPool }, tenant, { to: new PassThrough().resume() })
  expect(swapped).toBe(true)
  expect(heard.filter((message) => message.startsWith('became'))).toEqual([])
  expect(heard.some((message) => message === `is still ${world.rolePrefix}swaps`)).toBe(true)
})
