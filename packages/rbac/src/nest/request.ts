import type { IncomingMessage } from 'node:http'
import type { Actor, TenantKey } from '@org/core'

/** A request of Nest's Express or Fastify platform, behind `TenancyModule` of `@org/pg-tenant/nest`. */
export type NestRequest = IncomingMessage & { readonly tenant: TenantKey; readonly actor: Actor }
