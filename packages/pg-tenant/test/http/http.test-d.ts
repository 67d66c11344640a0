import type { Actor, IncomingRequest, ResolvedTenant, TenantKey, TokenClaims } from '@org/core'
import { fromApiKey, fromClaim, resolveTenant } from '@org/core'
import { type Equal, expectType } from '@org/pg-testing/expect-type'
import type { Request } from 'express'
import type { Context } from 'hono'
import { answerErrors, type RequestTenancy, tenant } from '../../src/express/index.ts'
import { type TenantEnv, tenant as tenantOfHono } from '../../src/hono/index.ts'
import type { Tenancy } from '../../src/index.ts'

declare const tenancy: Tenancy
declare const request: Request
declare const c: Context<TenantEnv>
declare const key: TenantKey
declare const resolved: ResolvedTenant

// What handlers find is typed, and never `any`.
expectType<Equal<Request['tenant'], TenantKey>>(true)
expectType<Equal<Request['actor'], Actor>>(true)
expectType<Equal<Request['tenancy'], RequestTenancy>>(true)
expectType<Equal<Request['resolved'], ResolvedTenant>>(true)
expectType<Equal<typeof c.var.tenant, TenantKey>>(true)
expectType<Equal<typeof c.var.tenancy, RequestTenancy>>(true)
expectType<Equal<typeof c.var.requestId, string>>(true)
request.tenancy
  .query<{ n: number }>('select 1 as n')
  .then(({ rows }) => expectType<Equal<typeof rows, { n: number }[]>>(true))

// A request of Node, of Express and of the Web fit as they are.
const requests: IncomingRequest[] = [request, new globalThis.Request('http://localhost')]
void requests

// An actor is somebody, or says that it is nobody.
if (resolved.actor.type === 'anonymous') expectType<Equal<typeof resolved.actor.id, null>>(true)
else expectType<Equal<typeof resolved.actor.id, string>>(true)

const claims = async (): Promise<TokenClaims & { role: string }> => ({
  sub: 'a',
  type: 'user',
  tenantId: key,
  role: 'x',
})
const resolve = { sources: [fromClaim({ verifyToken: claims })] }
tenant(tenancy, { resolve })
tenant(tenancy, { resolve: resolveTenant(resolve), scope: 'request', scopeOptions: { readOnly: true } })
tenantOfHono(tenancy, { resolve, peer: (context) => context.req.header('x') })
answerErrors()

// @ts-expect-error whose request it is has to be said
tenant(tenancy, {})
// @ts-expect-error there is no such scope
tenant(tenancy, { resolve, scope: 'session' })
// @ts-expect-error the adapter has the signal
tenant(tenancy, { resolve, scopeOptions: { signal: new AbortController().signal } })
// @ts-expect-error a token says what kind of actor it is of
fromClaim({ verifyToken: async () => ({ sub: 'a', tenantId: 'acme' }) })
// @ts-expect-error a key is a service's
fromApiKey({ authenticateApiKey: async () => ({ type: 'user', id: '1', tenant: 'acme' }) })
// @ts-expect-error credentials are proven, not trusted
resolveTenant({ ...resolve, trustUnauthenticated: ['claim'] })
