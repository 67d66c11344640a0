import { isTenancyError, TenancyError, type TenantKey, type TenantQueryable } from '@org/core'
import { type RefreshRotation, requireRotated } from '@org/crypto/tokens'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { email, timestamp } from '../http/schemas.ts'
import type { Trail } from '../hub/changes.ts'
import { acceptInvitation, invitedBy } from '../hub/invitations.ts'
import { endLogin, endLogins, holdCredential, isActive, wrongCredential } from '../hub/logins.ts'
import { requireNotAbove } from '../hub/not-above.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Sign in'
const password = z.string().min(12).max(200)
const refreshToken = z.string().min(1).max(200)
const tokens = z
  .object({
    accessToken: z.string().describe('A JWT, for `Authorization: Bearer`'),
    accessTokenExpiresAt: timestamp,
    refreshToken: z.string().describe('For `POST /v1/auth/refresh`, once'),
    refreshTokenExpiresAt: timestamp,
  })
  .meta({ id: 'Tokens' })
const jwk = z.object({
  kty: z.literal('RSA'),
  kid: z.string(),
  use: z.literal('sig'),
  alg: z.literal('RS256'),
  n: z.string(),
  e: z.string(),
})
const jwks = z.object({ keys: z.array(jwk) }).meta({ id: 'JsonWebKeySet' })

const CREDENTIAL = `select u.id, c.password_hash as "passwordHash" from "user" u
  join user_credential c on c.user_id = u.id
  where lower(u.email) = lower($1) and u.status = 'active' and u.deleted_at is null`
const REHASH = `update user_credential set password_hash = $2, updated_at = now() where user_id = $1`

/** Whose tenant it is stands in `X-Client-Key`; that somebody belongs to it is what they prove here. */
export function authRoutes({ tokens: auth, passwords, governance }: Hub): Endpoint[] {
  const accessToken = async (tenant: TenantKey, sub: string, jti: string) => {
    const { token, exp } = await auth.issuer.issue({ sub, tenantId: tenant, type: 'user', jti })
    return { accessToken: token, accessTokenExpiresAt: new Date(exp * 1_000) }
  }
  const signIn = async (db: TenantQueryable, userId: string) => {
    const first = await auth.refresh.issue(db, userId)
    return {
      ...(await accessToken(db.tenant, userId, first.jti)),
      refreshToken: first.token,
      refreshTokenExpiresAt: new Date(first.exp * 1_000),
    }
  }
  return [
    endpoint({
      method: 'post',
      path: '/v1/auth/login',
      access: 'named',
      records: 'identity.sessions.create',
      summary: 'Sign in with e-mail and password',
      tag,
      body: z.strictObject({ email, password: z.string().min(1).max(1_024) }),
      data: tokens,
      errors: ['UNAUTHORIZED'],
      handle: async ({ tenancy, body, change }) => {
        const found = (await tenancy.query<Credential>(CREDENTIAL, [body.email])).rows[0]
        const hash = found?.passwordHash ?? undefined
        // Also when there is nobody of that name: the same work, the same answer.
        const { valid, needsRehash } = await passwords.verify(body.password, hash)
        if (!valid || !found || hash === undefined) throw wrongCredential()
        const better = needsRehash ? await passwords.hash(body.password) : undefined
        return await change(async (db, trail) => {
          trail.record({ actor: { type: 'user', id: found.id } })
          await holdCredential(db, found.id, hash)
          if (better) await db.query(REHASH, [found.id, better])
          return await signIn(db, found.id)
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/auth/invitation',
      access: 'named',
      records: 'identity.passwords.set',
      summary: 'Choose a password with an invitation, and sign in; logins with the password before end',
      tag,
      body: z.strictObject({ token: z.string().min(1).max(100), password }),
      data: tokens,
      errors: ['INVALID_TOKEN'],
      handle: async ({ tenancy, body, change }) => {
        const hash = await passwords.hash(body.password)
        const invited = await invitedBy(tenancy, body.token)
        // Made for somebody who may do more by now: whoever made it might be the one who kept it.
        if (invited) await requireNotAbove(governance, tenancy, invited.by, invited.userId).catch(notInvited)
        return await change(async (db, trail) => {
          const userId = await acceptInvitation(db, body.token, hash)
          if (userId === undefined) throw noInvitation()
          trail.record({ actor: { type: 'user', id: userId } })
          await endLogins(auth, db, userId)
          return await signIn(db, userId)
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/auth/refresh',
      access: 'named',
      records: 'identity.sessions.refresh',
      summary: 'Go on with a refresh token; it is replaced',
      tag,
      body: z.strictObject({ refreshToken }),
      data: tokens,
      errors: ['INVALID_TOKEN', 'TOKEN_EXPIRED'],
      handle: async ({ body, tenant, change }) => {
        const rotation = await change(async (db, trail) => {
          const outcome = await auth.refresh.rotate(db, body.refreshToken)
          tellRotation(trail, outcome)
          if (outcome.outcome === 'reused') await auth.denylist.deny(db, outcome.accessTokens)
          if (outcome.outcome !== 'rotated' || (await isActive(db, outcome.userId))) return outcome
          // Suspended or removed by other means than this API, which would have ended the login.
          await endLogin(auth, db, outcome.family)
          return { outcome: 'revoked' } as const
        })
        // After the commit, which keeps the revocation that a replay causes.
        const next = requireRotated(rotation)
        return {
          ...(await accessToken(tenant, next.userId, next.jti)),
          refreshToken: next.token,
          refreshTokenExpiresAt: new Date(next.exp * 1_000),
        }
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/auth/logout',
      access: 'named',
      records: 'identity.sessions.end',
      summary: 'End the login; its access tokens are refused from now on. A token that is none is no error',
      tag,
      body: z.strictObject({ refreshToken }),
      status: 204,
      handle: async ({ body, change }) => {
        await change(async (db, trail) => {
          const { accessTokens, userIds } = await auth.refresh.logout(db, body.refreshToken)
          const [userId] = userIds
          if (userId === undefined) trail.unchanged()
          else trail.record({ actor: { type: 'user', id: userId } })
          await auth.denylist.deny(db, accessTokens)
        })
        return undefined
      },
    }),
    endpoint({
      method: 'get',
      path: '/.well-known/jwks.json',
      access: 'open',
      summary: 'The public keys that access tokens are checked with',
      tag,
      data: jwks,
      bare: true,
      handle: async ({ request }) => {
        // In seconds; half of the ten minutes for which a coming key is published before its turn.
        request.res?.setHeader('Cache-Control', 'public, max-age=300')
        return auth.keys.jwks()
      },
    }),
  ]
}

/** Also one that comes twice: it was stolen, or its thief is here. What is no token changes nothing. */
function tellRotation(trail: Trail, rotation: RefreshRotation): void {
  const { outcome } = rotation
  if ('userId' in rotation)
    trail.record({ actor: { type: 'user', id: rotation.userId }, metadata: { outcome } })
  else trail.unchanged()
}

function noInvitation(): TenancyError {
  return new TenancyError('INVALID_TOKEN', 'Ask for a new invitation.')
}

function notInvited(error: unknown): never {
  throw isTenancyError(error, 'FORBIDDEN_ACTION') ? noInvitation() : error
}

interface Credential {
  readonly id: string
  readonly passwordHash: string | null
}
