import type { Queryable } from '@org/core'
import type { AccessToken } from '@org/crypto/tokens'
import type { TenantReads } from '@org/pg-tenant'
import { type Catalog, type CatalogRows, catalogFromRows } from '@org/rbac'
import { createRbacStore, type RbacStore } from '@org/rbac/store'
import { catalog as own } from '../catalog.ts'
import type { ControlTransaction } from './control.ts'

/** The catalogue as it is stored, and the store that decides by it. */
export interface Governance {
  /** The catalogue as of at most a second ago: other processes add to it as well. */
  current(): Promise<{ readonly store: RbacStore; readonly catalog: Catalog }>
  /** The same as of now, after a change. */
  reload(): Promise<{ readonly store: RbacStore; readonly catalog: Catalog }>
  /** Reads what a request with this token will be decided by, so that it is at hand: see `onGood` of the verifier. */
  ahead(token: Pick<AccessToken<unknown>, 'tenantId' | 'type' | 'sub'>): void
  /** A store whose changes belong to a transaction of the control schemas; when it commits, they count from the next request on. */
  within(tx: ControlTransaction): Promise<RbacStore>
}

/** Milliseconds for which nobody looks whether the catalogue has changed; a store's `maxAge`. */
const MAX_AGE = 1_000
const EPOCH = 'select epoch from rbac.catalog_state'
const STORED = 'select rbac.rbac_catalog() as stored'

/**
 * Tools of other products are added while the hub runs. A store decides by one catalogue, so a changed catalogue is a
 * new store; what the old one remembered goes with it.
 */
export async function openGovernance(control: Queryable, tenants: TenantReads): Promise<Governance> {
  const storeOf = (catalog: Catalog, through: Queryable = control): RbacStore =>
    createRbacStore({ catalog, control: through, tenants, storedPackages: true, apiKeys: true })
  const read = async (epoch: string) => {
    const { rows } = await control.query<{ stored: CatalogRows }>(STORED)
    const catalog = catalogFromRows(rows[0]?.stored as CatalogRows)
    return { epoch, catalog, store: storeOf(catalog) }
  }
  const epochNow = async () => (await control.query<{ epoch: string }>(EPOCH)).rows[0]?.epoch ?? ''

  await storeOf(own).syncCatalog()
  let known = await read(await epochNow())
  let checkedAt = performance.now()
  let checking: Promise<typeof known> | undefined

  // The epoch is read first: what is read behind it is at least as new.
  const look = async () => {
    const began = performance.now()
    const epoch = await epochNow()
    if (epoch !== known.epoch) known = await read(epoch)
    checkedAt = began
    return known
  }
  // One after the other, or an older answer that took longer would replace a newer one.
  let last: Promise<unknown> = Promise.resolve()
  const check = (): Promise<typeof known> => {
    const turn = last.then(look)
    last = turn.catch(() => undefined)
    return turn
  }
  const current: Governance['current'] = async () => {
    if (performance.now() - checkedAt < MAX_AGE) return known
    checking ??= check().finally(() => {
      checking = undefined
    })
    return await checking
  }
  return {
    reload: check,
    current,
    ahead: ({ tenantId: tenant, type, sub: id }) => {
      const asked = current().then(({ store }) => store.evaluatorFor({ tenant, actor: { type, id } }))
      // Whoever needs it asks again, and is told.
      asked.catch(() => {})
    },
    within: async (tx) => {
      const { catalog } = await current()
      tx.afterCommit(() => known.store.refresh())
      return storeOf(catalog, tx)
    },
  }
}
