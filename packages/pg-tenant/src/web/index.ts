export type { AccessLine } from '../http/access-line.ts'
export type { ErrorContext, OnError, TenantOptions } from '../http/options.ts'
export type { RequestTenancy } from '../http/request-tenancy.ts'
export { type TenantRequest, tenantHandler, type WebTenantOptions } from './tenant-handler.ts'
