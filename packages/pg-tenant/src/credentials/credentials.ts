import type { Sealing } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import type { CredentialKeeper, SuppliedCredentials } from './keeper.ts'
import { storedCredentials } from './stored.ts'
import { suppliedCredentials } from './supplied.ts'

export function keeperOf(
  option: SuppliedCredentials | Sealing,
  pool: PoolLike,
  registry: RegistryPlace,
): CredentialKeeper {
  return typeof option === 'function'
    ? suppliedCredentials(option)
    : storedCredentials(option, pool, registry)
}
