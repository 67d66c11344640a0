import { TenancyError } from '@org/core'
import type { CredentialKeeper, SuppliedCredentials } from './keeper.ts'
import { checkPassword } from './password.ts'

/** Credentials the caller keeps: nothing of them is stored here. */
export function suppliedCredentials(source: SuppliedCredentials): CredentialKeeper {
  const find: CredentialKeeper['find'] = async (tenant) => {
    const found = await source(tenant)
    if (found === undefined || found === null) return undefined
    if (typeof found !== 'object') throw notCredentials()
    return { ...found, password: checkPassword(found.password) }
  }
  return {
    supplied: true,
    find,
    chosen: async (_admin, tenant) => (await find(tenant))?.password,
    toStore: async () => null,
  }
}

function notCredentials(): TenancyError {
  return new TenancyError(
    'INVALID_OPTION',
    'credentials(tenant) must resolve to { password, … } or undefined.',
    {
      details: { option: 'credentials' },
    },
  )
}
