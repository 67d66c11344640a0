import { invalidOption, type Queryable, TenancyError, type TenantQueryable } from '@org/core'
import type { ActionKind, Catalog } from '../catalog/model.ts'
import type { Change } from './change.ts'
import { permissionValues } from './groups.ts'
import { packageOf, patternOf, textOf } from './input.ts'
import { type NewUser, newUser } from './users.ts'

/** The group whose members administer their tenant. */
const ADMINISTRATORS = 'ADM_CLIENTE'

/** What a group may do when it is made: kinds of actions, or actions and `tool.*` by name. */
export type SeedGroup<Action extends string = string> =
  | { readonly kinds: readonly ActionKind[] }
  | { readonly actions: readonly (Action | `${string}.*`)[] }

export interface SeedOptions<Action extends string = string, Package extends string = string> {
  /** Made when nobody has the address; joins `ADM_CLIENTE` when new, or when the tenant has no administrator. */
  readonly admin?: NewUser | undefined
  /** Assigned once, the first time the tenant is seeded. */
  readonly package?: Package | undefined
  /** By name; default `ADM_CLIENTE` (all of every tool), `OPERATOR` (read, write), `VIEWER` (read). */
  readonly groups?: Readonly<Record<string, SeedGroup<Action>>> | undefined
  /** Actions that make an administrator who has all of them (default: those of kind `admin`). */
  readonly administration?: readonly Action[] | undefined
}

export interface SeedReport {
  /** Names of the groups made now. */
  readonly groups: readonly string[]
  /** The administrator's id, when one was asked for. */
  readonly adminId: string | null
  readonly packageAssigned: boolean
}

const GROUP = `insert into "group" (name) select $1
  where not exists (select from "group" where name = $1) returning id`
const PERMISSION = `insert into group_permission (group_id, tool_action, effect)
  select $1, action, 'allow' from unnest($2::text[]) action on conflict do nothing`
const ADMINISTRATION = 'update rbac_epoch set administration = $1, administered = false'
// A statement that changes nothing still fires the trigger that looks whether there is an administrator.
const LOOK = 'delete from user_group where false'
const ADMINISTERED = 'select administered from rbac_epoch'
const USER = `insert into "user" (email, name, auth_provider) select $1, $2, $3
  where not exists (select from "user" where lower(email) = lower($1) and deleted_at is null) returning id`
const USER_ID = `select id from "user" where lower(email) = lower($1) and deleted_at is null`
const MEMBER = `insert into user_group (user_id, group_id)
  select $1, id from "group" where name = $2 and deleted_at is null on conflict do nothing`

const PACKAGE = (schema: string) => `with first as (
    insert into ${schema}.tenant_entitlement as e (tenant, seeded_at) values ($1, now())
    on conflict (tenant) do update set seeded_at = now() where e.seeded_at is null returning tenant)
  insert into ${schema}.tenant_package (tenant, package_key) select tenant, $2 from first
  on conflict do nothing returning tenant`

/**
 * Gives a tenant what it begins with. Again, it adds only what is not there: a group that was changed (or removed)
 * stays as its tenant wants it, a package that was taken away does not come back.
 */
export async function seedTenant(
  db: TenantQueryable,
  parts: {
    readonly change: Change
    readonly catalog: Catalog
    readonly assign: (text: string, values: unknown[]) => ReturnType<Queryable['query']>
    readonly schema: string
  },
  options: SeedOptions,
): Promise<SeedReport> {
  const { catalog } = parts
  const groups = groupsToMake(catalog, options.groups)
  const administration = administrationOf(catalog, options.administration)
  const user = options.admin && newUser(options.admin)
  const packageKey = options.package && packageOf(catalog, options.package)
  const report = await parts.change(db, async () => {
    const made: string[] = []
    for (const [name, actions] of groups) {
      const { rows } = await db.query<{ id: string }>(GROUP, [name])
      if (!rows[0]) continue
      made.push(name)
      await db.query(PERMISSION, [rows[0].id, actions])
    }
    await db.query(ADMINISTRATION, [administration])
    await db.query(LOOK)
    return { groups: made, adminId: user ? await seedAdmin(db, user) : null }
  })
  const assigned = packageKey && (await parts.assign(PACKAGE(parts.schema), [db.tenant, packageKey]))
  return { ...report, packageAssigned: Boolean(assigned && assigned.rows.length > 0) }
}

async function seedAdmin(db: TenantQueryable, user: readonly string[]): Promise<string> {
  const [email] = user
  const made = await db.query<{ id: string }>(USER, user)
  const { rows } = made.rows[0] ? made : await db.query<{ id: string }>(USER_ID, [email])
  const id = String(rows[0]?.id)
  const [state] = (await db.query<{ administered: boolean }>(ADMINISTERED)).rows
  if (made.rows[0] || state?.administered !== true) await db.query(MEMBER, [id, ADMINISTRATORS])
  return id
}

function groupsToMake(catalog: Catalog, groups: SeedOptions['groups']): [string, string[]][] {
  const everything = Object.keys(catalog.tools).map((tool): `${string}.*` => `${tool}.*`)
  const wanted: Readonly<Record<string, SeedGroup>> = groups ?? {
    [ADMINISTRATORS]: { actions: everything },
    OPERATOR: { kinds: ['read', 'write'] },
    VIEWER: { kinds: ['read'] },
  }
  return Object.entries(wanted).map(([name, group]) => {
    textOf(name, 'groups')
    const actions =
      'kinds' in group
        ? Object.entries(catalog.actions).flatMap(([key, { kind }]) =>
            group.kinds.includes(kind) ? [key] : [],
          )
        : [...group.actions]
    for (const action of actions) permissionValues(catalog, { action })
    return [name, actions]
  })
}

function administrationOf(catalog: Catalog, actions: SeedOptions['administration']): string[] {
  const wanted =
    actions ?? Object.entries(catalog.actions).flatMap(([key, { kind }]) => (kind === 'admin' ? [key] : []))
  for (const action of wanted) {
    if (patternOf(catalog, action).endsWith('*'))
      throw invalidOption('administration', 'actions, each by its key')
  }
  return [...wanted]
}

/** `seed` needs to know whose handle it is. */
export function requireHandle(db: Partial<TenantQueryable> | undefined): void {
  if (typeof db?.query === 'function' && typeof db.tenant === 'string') return
  throw new TenancyError('INVALID_OPTION', 'db must be the handle withTenant gives you.', {
    details: { option: 'db' },
  })
}
