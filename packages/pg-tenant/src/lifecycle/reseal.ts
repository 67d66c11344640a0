import type { TenantKey } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { credentialTable, sealedOf } from '../credentials/table.ts'
import type { Lifecycle } from './lifecycle.ts'
import { prepare } from './prepare.ts'

/**
 * Seals every stored password anew, under the key that seals now: what `rotate` of `@org/crypto` is for settings. A
 * password that was changed meanwhile is left as it is, which is sealed under that key already.
 *
 * @returns how many were sealed anew
 */
export async function resealCredentials(lifecycle: Lifecycle): Promise<number> {
  const { keeper } = lifecycle.ofLevel
  if (!keeper) return 0
  const { adminPool, registry } = lifecycle
  const table = credentialTable(registry)
  await prepare(lifecycle)
  return inAdminTransaction(adminPool, async (admin) => {
    const rows = await admin.run(
      `select key from ${table} where prefix = $1 and sealed is not null order by key collate "C"`,
      [registry.prefix],
    )
    let resealed = 0
    for (const { key } of rows) {
      const tenant = String(key) as TenantKey
      const old = await sealedOf(admin, registry, tenant)
      const password = await keeper.chosen(admin, tenant)
      if (old === undefined || password === undefined) continue
      const fresh = await keeper.toStore(tenant, password)
      const swapped = await admin.run(
        `update ${table} set sealed = $4 where prefix = $1 and key = $2 and sealed = $3 returning key`,
        [registry.prefix, tenant, old, fresh],
      )
      resealed += swapped.length
    }
    return resealed
  })
}
