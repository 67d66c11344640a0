import { invalidField, type TenantQueryable } from '@org/core'
import type { Catalog } from '../catalog/model.ts'
import { type Constraints, parseConstraints } from '../constraints/parse.ts'
import type { Change, ChangeOptions } from './change.ts'
import { idOf, notFound, optionalText, patternOf, statusOf, textOf } from './input.ts'
import { duplicate, limitOf } from './users.ts'

export interface GroupRecord {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly status: 'active' | 'suspended'
}

export interface PermissionRecord {
  readonly id: string
  readonly action: string
  readonly effect: 'allow' | 'deny'
  readonly constraints: Constraints | null
}

const FACTS = 'id, name, description, status'
const PERMISSION = 'id, tool_action as action, effect, constraints'
const INSERT = `insert into "group" (name, description) values ($1, $2) returning ${FACTS}`
const LIST = `select ${FACTS} from "group" where deleted_at is null and ($1::uuid is null or id > $1) order by id limit $2`
const UPDATE = `update "group" set name = coalesce($2, name),
    description = case when $3 then $4 else description end, updated_at = now()
  where id = $1 and deleted_at is null returning ${FACTS}`
const STATUS = `update "group" set status = $2, suspended_reason = $3, updated_at = now()
  where id = $1 and deleted_at is null returning ${FACTS}`
const REMOVE = `update "group" set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null returning id`
// Both have to be there; being a member already is no error.
const ADD = `insert into user_group (user_id, group_id)
  select u.id, g.id from "user" u cross join "group" g
  where u.id = $1 and u.deleted_at is null and g.id = $2 and g.deleted_at is null
  on conflict on constraint pk_user_group do update set group_id = excluded.group_id returning user_id`
const LEAVE = 'delete from user_group where user_id = $1 and group_id = $2 returning user_id'
// One statement: the guard against locking oneself out looks after each.
const GRANT = `insert into group_permission (group_id, tool_action, effect, constraints)
  select g.id, $2, $3, $4::jsonb from "group" g where g.id = $1 and g.deleted_at is null
  on conflict on constraint uq_group_permission_group_id_tool_action do update
    set effect = excluded.effect, constraints = excluded.constraints, updated_at = now()
  returning ${PERMISSION}`
const REVOKE = 'delete from group_permission where group_id = $1 and id = $2 returning id'
const PERMISSIONS = `select ${PERMISSION} from group_permission where group_id = $1 order by tool_action`

/** Groups of a tenant, who is in them and what they grant. */
export interface Groups<Action extends string = string> {
  /** @throws TenancyError VALIDATION_ERROR, DUPLICATE_RESOURCE */
  create(
    db: TenantQueryable,
    group: { readonly name: string; readonly description?: string | undefined },
  ): Promise<GroupRecord>
  /** In the order of ids. `limit`: 1 to 1,000 (default 100). */
  list(
    db: TenantQueryable,
    page?: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<GroupRecord[]>
  /** What is left out stays. @throws TenancyError VALIDATION_ERROR, NOT_FOUND, DUPLICATE_RESOURCE */
  update(
    db: TenantQueryable,
    id: string,
    change: { readonly name?: string | undefined; readonly description?: string | null | undefined },
  ): Promise<GroupRecord>
  /** @throws TenancyError NOT_FOUND; CONFLICT when the last administrator is one by it */
  setStatus(
    db: TenantQueryable,
    id: string,
    status: 'active' | 'suspended',
    options?: ChangeOptions & { readonly reason?: string | undefined },
  ): Promise<GroupRecord>
  /** The row stays, marked. @throws TenancyError NOT_FOUND, CONFLICT as `setStatus` */
  remove(db: TenantQueryable, id: string, options?: ChangeOptions): Promise<void>
  /** @throws TenancyError NOT_FOUND for a user or group that is not there */
  addUser(db: TenantQueryable, groupId: string, userId: string, options?: ChangeOptions): Promise<void>
  /** @throws TenancyError NOT_FOUND; CONFLICT for the last administrator */
  removeUser(db: TenantQueryable, groupId: string, userId: string, options?: ChangeOptions): Promise<void>
  /**
   * Grants (or denies) an action to the members; one that the group has already is replaced.
   *
   * @throws TenancyError VALIDATION_ERROR for an action that the catalogue does not have, or constraints that cannot be
   *   read; NOT_FOUND; CONFLICT for the last administrator
   */
  grant(
    db: TenantQueryable,
    groupId: string,
    permission: {
      readonly action: Action | `${string}.*`
      readonly effect?: 'allow' | 'deny' | undefined
      readonly constraints?: Constraints | undefined
    },
    options?: ChangeOptions,
  ): Promise<PermissionRecord>
  /** @throws TenancyError NOT_FOUND; CONFLICT for the last administrator */
  revoke(db: TenantQueryable, groupId: string, permissionId: string, options?: ChangeOptions): Promise<void>
  permissions(db: TenantQueryable, groupId: string): Promise<PermissionRecord[]>
}

export function groupsOf<Action extends string>(change: Change, catalog: Catalog): Groups<Action> {
  const changed = async <R extends object>(
    db: TenantQueryable,
    what: string,
    text: string,
    values: unknown[],
    options?: ChangeOptions,
  ): Promise<R> => {
    const { rows } = await change(db, () => db.query<R>(text, values), options)
    if (!rows[0]) throw notFound(what)
    return rows[0]
  }
  const ids = (groupId: string, userId: string) => [idOf(userId, 'userId'), idOf(groupId, 'groupId')]
  return {
    create: async (db, { name, description }) => {
      const values = [textOf(name, 'name'), optionalText(description, 'description')]
      return changed<GroupRecord>(db, 'group', INSERT, values).catch((error: unknown) => {
        throw duplicate(error, 'name')
      })
    },
    list: async (db, { after, limit } = {}) => {
      const from = after === undefined ? null : idOf(after, 'after')
      return (await db.query<GroupRecord>(LIST, [from, limitOf(limit)])).rows
    },
    update: async (db, id, { name, description }) => {
      const named = name === undefined ? null : textOf(name, 'name')
      const described = optionalText(description, 'description')
      const values = [idOf(id, 'id'), named, description !== undefined, described]
      return changed<GroupRecord>(db, 'group', UPDATE, values).catch((error: unknown) => {
        throw duplicate(error, 'name')
      })
    },
    setStatus: async (db, id, status, options = {}) => {
      const reason = status === 'active' ? null : optionalText(options.reason, 'reason')
      return changed(db, 'group', STATUS, [idOf(id, 'id'), statusOf(status), reason], options)
    },
    remove: async (db, id, options) => void (await changed(db, 'group', REMOVE, [idOf(id, 'id')], options)),
    addUser: async (db, groupId, userId, options) =>
      void (await changed(db, 'user or group', ADD, ids(groupId, userId), options)),
    removeUser: async (db, groupId, userId, options) =>
      void (await changed(db, 'membership', LEAVE, ids(groupId, userId), options)),
    grant: async (db, groupId, permission, options) => {
      const values = [idOf(groupId, 'groupId'), ...permissionValues(catalog, permission)]
      return changed<PermissionRecord>(db, 'group', GRANT, values, options)
    },
    revoke: async (db, groupId, permissionId, options) => {
      const values = [idOf(groupId, 'groupId'), idOf(permissionId, 'permissionId')]
      await changed(db, 'permission', REVOKE, values, options)
    },
    permissions: async (db, groupId) =>
      (await db.query<PermissionRecord>(PERMISSIONS, [idOf(groupId, 'groupId')])).rows,
  }
}

/** Action, effect and constraints, looked at before they are stored. */
export function permissionValues(
  catalog: Catalog,
  {
    action,
    effect = 'allow',
    constraints,
  }: { readonly action: string; readonly effect?: string | undefined; readonly constraints?: unknown },
): (string | null)[] {
  if (effect !== 'allow' && effect !== 'deny') throw invalidField('effect', 'allow or deny')
  const checked = constraints === undefined ? null : parseConstraints(constraints)
  return [patternOf(catalog, action), effect, checked === null ? null : JSON.stringify(constraints)]
}
