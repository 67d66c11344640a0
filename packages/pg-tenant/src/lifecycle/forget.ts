import { runHook } from './hook.ts'
import type { TenantWork } from './levels/level.ts'

/** Runs the application's `onForget` in the transaction that writes the tombstone. Errors as {@link runHook}. */
export async function forget({
  admin,
  lifecycle,
  tenant,
}: Pick<TenantWork, 'admin' | 'lifecycle' | 'tenant'>): Promise<void> {
  const { onForget } = lifecycle
  if (onForget)
    await runHook(admin, tenant, { name: 'onForget', call: onForget, without: 'the tenant is not gone yet' })
}
