export * from '../http/index.ts'
export type { TenantOptions } from '../http/options.ts'
export { CurrentActor, CurrentTenant, RequestDb, WithoutTenant } from './decorators.ts'
export { TenancyExceptionFilter } from './exception-filter.ts'
export {
  TenancyModule,
  type TenancyModuleAsyncOptions,
  type TenancyModuleOptions,
} from './module.ts'
export { TENANCY } from './tokens.ts'
