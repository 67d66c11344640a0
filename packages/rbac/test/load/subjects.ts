import { type Actor, parseTenantKey, type TenantKey } from '@org/core'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import type pg from 'pg'
import { createRbacStore, installRbac } from '../../src/store/index.ts'
import { MIGRATIONS } from '../store/migrations.ts'
import { catalog } from '../support/product.ts'

export const READ = 'notes.item.read'

/** A database with the roles of a careful team in it. */
export interface Place {
  /** A superuser's pool. */
  readonly root: pg.Pool
  readonly admin: pg.Pool
  readonly appRole: string
  /** As the application, direct. */
  readonly appUrl: string
  readonly rolePrefix: string
}

/** Every way to lose a permission. */
const KINDS = ['grant', 'membership', 'user', 'group', 'package', 'override', 'key', 'tenant'] as const
export type Kind = (typeof KINDS)[number]
/** The store of server A or B, or SQL of somebody else. */
export type By = 'A' | 'B' | 'sql'

/** Somebody in a tenant of their own who may read, and how that will end. */
export interface Subject {
  readonly tenant: TenantKey
  readonly actor: Extract<Actor, { id: string }>
  readonly group: string
  readonly kind: Kind
  readonly by: By
}

/** Keys are `@org/crypto`'s to revoke, tenants `@org/pg-tenant`'s to suspend: for the store both are SQL of others. */
const PAIRS = KINDS.flatMap((kind) =>
  (kind === 'key' || kind === 'tenant' ? (['sql'] as const) : (['A', 'B', 'sql'] as const)).map((by) => ({
    kind,
    by,
  })),
)

export type LoadStore = ReturnType<typeof storeOf>

export function storeOf(tenants: Tenancy, control: pg.Pool, now?: () => number) {
  return createRbacStore({ catalog, control, tenants, apiKeys: true, now })
}

/** Makes everybody. */
export async function makeSubjects(
  place: Place,
  pool: pg.Pool,
): Promise<{ tenancy: Tenancy; subjects: Subject[] }> {
  const { admin, appRole, rolePrefix } = place
  const tenancy = createTenancy({ pool, adminPool: admin, rolePrefix, migrations: MIGRATIONS })
  await installRbac(admin, { managers: [appRole] })
  const store = storeOf(tenancy, pool)
  await store.syncCatalog()
  const subjects: Subject[] = []
  for (const [at, { kind, by }] of PAIRS.entries()) {
    const tenant = parseTenantKey(`t${at}`)
    await tenancy.provision(tenant)
    await store.assignPackage(tenant, 'basic')
    const made = await tenancy.withTenant(tenant, async (db) => {
      const user = await store.users.create(db, { email: 'm@example.com', name: 'M' })
      const group = (await store.groups.create(db, { name: 'READERS' })).id
      await store.groups.addUser(db, group, user.id)
      await store.groups.grant(db, group, { action: READ })
      const { rows } = await db.query<{ id: string }>(
        `insert into api_key (name, profile) values ('ci', 'read-only') returning id`,
      )
      return { user: user.id, group, key: String(rows[0]?.id) }
    })
    const service = kind === 'key'
    const actor = { type: service ? 'service' : 'user', id: service ? made.key : made.user } as const
    subjects.push({ tenant, actor, group: made.group, kind, by })
  }
  return { tenancy, subjects }
}

/** Takes it away through a store; resolves when it is committed. */
export async function revokeWith(store: LoadStore, tenancy: Tenancy, subject: Subject): Promise<void> {
  const { tenant, group, actor, kind } = subject
  if (kind === 'package') await store.unassignPackage(tenant, 'basic')
  else if (kind === 'override') await store.setOverride(tenant, READ, { effect: 'deny' })
  else
    await tenancy.withTenant(tenant, async (db) => {
      if (kind === 'membership') await store.groups.removeUser(db, group, actor.id)
      if (kind === 'user') await store.users.setStatus(db, actor.id, 'suspended')
      if (kind === 'group') await store.groups.setStatus(db, group, 'suspended')
      const [permission] = await store.groups.permissions(db, group)
      if (kind === 'grant') await store.groups.revoke(db, group, String(permission?.id))
    })
}

const SQL: Readonly<Record<Exclude<Kind, 'tenant'>, (schema: string, tenant: string) => string>> = {
  grant: (schema) => `delete from ${schema}.group_permission`,
  membership: (schema) => `delete from ${schema}.user_group`,
  user: (schema) => `update ${schema}."user" set status = 'suspended'`,
  group: (schema) => `update ${schema}."group" set status = 'suspended'`,
  key: (schema) => `update ${schema}.api_key set status = 'revoked'`,
  package: (_, tenant) => `delete from rbac.tenant_package where tenant = '${tenant}'`,
  override: (_, tenant) =>
    `insert into rbac.tenant_tool_override (tenant, action_key, effect) values ('${tenant}', '${READ}', 'deny')`,
}

/** The same behind the back of every store. */
export async function revokeBehind(
  root: pg.Pool,
  tenancy: Tenancy,
  { tenant, kind }: Subject,
): Promise<void> {
  if (kind === 'tenant') await tenancy.suspend(tenant)
  else await root.query(SQL[kind](`c_${tenant}`, tenant))
}
