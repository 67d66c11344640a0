export * from '../http/index.ts'
export { type TenantRequest, tenantHandler, type WebTenantOptions } from './tenant-handler.ts'
