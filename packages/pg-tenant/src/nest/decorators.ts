import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common'
import { TenancyError } from '@org/core'
import { type NestRequest, requestOf } from './request.ts'

export const WITHOUT_TENANT = '@org/pg-tenant: without tenant'

/**
 * Marks a controller or handler whose requests are nobody's: a health check, a login.
 *
 * @example
 * ```ts
 * import { WithoutTenant } from '@org/pg-tenant/nest'
 * import { Controller, Get } from '@nestjs/common'
 *
 * @Controller('health')
 * @WithoutTenant()
 * export class Health {
 *   @Get()
 *   ok() {
 *     return { ok: true }
 *   }
 * }
 * ```
 */
export const WithoutTenant = (): ClassDecorator & MethodDecorator => SetMetadata(WITHOUT_TENANT, true)

/**
 * A parameter: the tenant's data in this request (`RequestTenancy`: `query`, `transaction`).
 *
 * @example
 * ```ts
 * import { type RequestTenancy, RequestDb } from '@org/pg-tenant/nest'
 * import { Controller, Get } from '@nestjs/common'
 *
 * @Controller('notes')
 * export class Notes {
 *   @Get()
 *   async all(@RequestDb() db: RequestTenancy) {
 *     return (await db.query('select id, body from notes')).rows
 *   }
 * }
 * ```
 */
export const RequestDb: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => of(context, 'tenancy'),
)

/**
 * A parameter: whose request this is (`TenantKey`).
 *
 * @example
 * ```ts
 * import type { TenantKey } from '@org/core'
 * import { CurrentTenant } from '@org/pg-tenant/nest'
 * import { Controller, Get } from '@nestjs/common'
 *
 * @Controller('home')
 * export class Home {
 *   @Get()
 *   of(@CurrentTenant() tenant: TenantKey) {
 *     return { tenant }
 *   }
 * }
 * ```
 */
export const CurrentTenant: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => of(context, 'tenant'),
)

/**
 * A parameter: who sent it (`Actor`).
 *
 * @example
 * ```ts
 * import type { Actor } from '@org/core'
 * import { CurrentActor } from '@org/pg-tenant/nest'
 * import { Controller, Get } from '@nestjs/common'
 *
 * @Controller('me')
 * export class Me {
 *   @Get()
 *   id(@CurrentActor() actor: Actor) {
 *     return { id: actor.id }
 *   }
 * }
 * ```
 */
export const CurrentActor: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => of(context, 'actor'),
)

function of(context: ExecutionContext, name: 'tenancy' | 'tenant' | 'actor'): NestRequest[typeof name] {
  const value = requestOf(context)[name]
  if (value !== undefined) return value
  throw new TenancyError(
    'NO_TENANT_CONTEXT',
    'This request has no tenant: its handler is marked WithoutTenant, or TenancyModule is not imported.',
  )
}
