import { type Queryable, TenancyError, type TenantKey } from '@org/core'

/** Milliseconds for which nobody looks who is under maintenance. */
const MAX_AGE = 1_000
const WHO = 'select key from hub.tenant_profile where maintenance_since is not null'
const SET = `insert into hub.tenant_profile as p (key, name, onboarded_at, maintenance_since, maintenance_reason)
    values ($1, $1, now(), case when $2::text is not null then now() end, $2)
  on conflict (key) do update set maintenance_reason = $2, updated_at = now(),
    maintenance_since = case when $2::text is not null then coalesce(p.maintenance_since, now()) end`

/** Tenants that can only be read: while something is moved, or looked into. */
export interface Maintenance {
  /** @param reason `undefined` ends it */
  set(tx: Queryable, tenant: TenantKey, reason: string | undefined): Promise<void>
  /**
   * Before a request that changes something. In this process at once, in others within a second.
   *
   * @throws TenancyError CONFLICT (`details.reason`: `maintenance`)
   */
  refuse(tenant: TenantKey): Promise<void>
  /** Looks anew at the next request. */
  changed(): void
}

export function openMaintenance(control: Queryable): Maintenance {
  let known: Promise<ReadonlySet<string>> | undefined
  let readAt = 0
  const read = async () => new Set((await control.query<{ key: string }>(WHO)).rows.map(({ key }) => key))
  const current = () => {
    if (known === undefined || performance.now() - readAt >= MAX_AGE) {
      readAt = performance.now()
      known = read()
      // Not remembered: the next request asks again.
      known.catch(() => {
        known = undefined
      })
    }
    return known
  }
  return {
    set: async (tx, tenant, reason) => {
      await tx.query(SET, [tenant, reason ?? null])
    },
    refuse: async (tenant) => {
      if (!(await current()).has(tenant)) return
      throw new TenancyError(
        'CONFLICT',
        'The tenant is under maintenance: it can be read, and changed later.',
        {
          details: { reason: 'maintenance' },
        },
      )
    },
    changed: () => {
      known = undefined
    },
  }
}
