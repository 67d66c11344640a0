import { createHash, randomBytes } from 'node:crypto'
import type { Actor, Queryable, TenantQueryable } from '@org/core'

/** How long an invitation may be accepted, in milliseconds: a week. */
const LIFETIME = 7 * 24 * 3_600_000

const INVITE = `insert into user_credential
    (user_id, invitation_hash, invitation_expires_at, invited_by_type, invited_by_id) values ($1, $2, $3, $4, $5)
  on conflict on constraint pk_user_credential do update
    set invitation_hash = excluded.invitation_hash, invitation_expires_at = excluded.invitation_expires_at,
      invited_by_type = excluded.invited_by_type, invited_by_id = excluded.invited_by_id, updated_at = now()`
const INVITED = `select user_id as "userId", invited_by_type as type, invited_by_id as id from user_credential
  where invitation_hash = $1`
// The user is held first, as everybody does who changes them and then their logins: none of them deadlocks.
const ACCEPT = `with invited as (
    select u.id from user_credential c join "user" u on u.id = c.user_id
    where c.invitation_hash = $1 and c.invitation_expires_at > now() and u.status = 'active' and u.deleted_at is null
    for share of u
  )
  update user_credential c
  set password_hash = $2, invitation_hash = null, invitation_expires_at = null, updated_at = now()
  from invited where c.user_id = invited.id and c.invitation_hash = $1
  returning c.user_id as "userId"`

export interface Invitation {
  /** Shown once; the database has its hash. */
  readonly token: string
  readonly expiresAt: Date
}

/**
 * Lets a user choose a password: a new one, too, for who forgot it. The invitation before is worth nothing; the password
 * is what it was until this one is accepted.
 *
 * @param by who of the tenant; left out by operators, who may invite anybody
 */
export async function invite(db: TenantQueryable, userId: string, by?: Actor): Promise<Invitation> {
  const token = randomBytes(32).toString('base64url')
  const expiresAt = new Date(Date.now() + LIFETIME)
  await db.query(INVITE, [userId, hashOf(token), expiresAt, by?.type ?? null, by?.id ?? null])
  return { token, expiresAt }
}

/** Whom an invitation is for, and who of the tenant made it; `undefined` for none, and for one of an operator. */
export async function invitedBy(
  db: Queryable,
  token: string,
): Promise<{ readonly userId: string; readonly by: Actor } | undefined> {
  const { rows } = await db.query<Invited>(INVITED, [hashOf(token)])
  const [found] = rows
  if (found === undefined || found.type === null) return undefined
  return { userId: found.userId, by: { type: found.type, id: found.id } }
}

type Invited = { readonly userId: string } & (
  | { readonly type: 'user' | 'service'; readonly id: string }
  | { readonly type: null; readonly id: null }
)

/** @returns the user's id; `undefined` for an invitation that is not there, was used or has run out */
export async function acceptInvitation(
  db: TenantQueryable,
  token: string,
  passwordHash: string,
): Promise<string | undefined> {
  const { rows } = await db.query<{ userId: string }>(ACCEPT, [hashOf(token), passwordHash])
  return rows[0]?.userId
}

/** 256 random bits cannot be guessed: a fast hash is enough. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
