import type { Sealing } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { invalid } from '../errors/invalid.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import type { CredentialKeeper, SuppliedCredentials } from './keeper.ts'
import { storedCredentials } from './stored.ts'
import { suppliedCredentials } from './supplied.ts'

/** @throws TenancyError INVALID_OPTION */
export function keeperOf(
  option: SuppliedCredentials | Sealing | undefined,
  pool: PoolLike,
  registry: RegistryPlace,
): CredentialKeeper {
  if (typeof option === 'function') return suppliedCredentials(option)
  if (typeof option?.seal === 'function' && typeof option.open === 'function')
    return storedCredentials(option, pool, registry)
  throw invalid(
    'credentials',
    'a function that fetches the credentials of a tenant, or something that seals them ({ seal, open }, such as the ' +
      'Envelopes of @org/crypto): at this isolation level every tenant logs in by itself',
  )
}
