import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common'
import { TenancyError } from '@org/core'
import { type NestRequest, requestOf } from './request.ts'

export const WITHOUT_TENANT = '@org/pg-tenant: without tenant'

/** Marks a controller or handler whose requests are nobody's: a health check, a login. */
export const WithoutTenant = (): ClassDecorator & MethodDecorator => SetMetadata(WITHOUT_TENANT, true)

/** A parameter: the tenant's data in this request (`RequestTenancy`: `query`, `transaction`). */
export const RequestDb: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => of(context, 'tenancy'),
)

/** A parameter: whose request this is (`TenantKey`). */
export const CurrentTenant: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => of(context, 'tenant'),
)

/** A parameter: who sent it (`Actor`). */
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
