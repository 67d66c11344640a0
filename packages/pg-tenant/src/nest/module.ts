import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common'
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core'
import { parseTenantOptions, type TenantOptions } from '../http/options.ts'
import type { Tenancy, TenantAccess } from '../tenancy/interface.ts'
import { TenancyExceptionFilter } from './exception-filter.ts'
import { TenantGuard } from './guard.ts'
import { TenantInterceptor } from './interceptor.ts'
import { SETTINGS, TENANCY } from './tokens.ts'

/** {@link TenantOptions}, and the tenancy. */
export interface TenancyModuleOptions extends TenantOptions {
  /**
   * What `createTenancy` or `createFleet` made. The module closes it when the application shuts down; its pools stay yours
   * to end.
   */
  readonly tenancy: TenantAccess & Partial<Pick<Tenancy, 'close'>>
}

/** Makes the options from other providers. */
export interface TenancyModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** What `useFactory` is given. */
  readonly inject?: FactoryProvider['inject']
  readonly useFactory: (...dependencies: never[]) => TenancyModuleOptions | Promise<TenancyModuleOptions>
}

const OPTIONS = Symbol('@org/pg-tenant: options')

/**
 * Every request of the application belongs to a tenant from here on, on Nest's Express and Fastify platforms: a guard finds
 * out whose it is, an interceptor opens its context, a filter answers errors. Handlers marked {@link WithoutTenant} are
 * left out.
 *
 * @example
 * ```ts
 * @Module({ imports: [TenancyModule.forRoot({ tenancy, resolve: { sources: [fromClaim({ verifyToken })] } })] })
 * class AppModule {}
 *
 * @Controller('notes')
 * class Notes {
 *   @Get()
 *   async all(@RequestDb() db: RequestTenancy) {
 *     return (await db.query('select id, body from notes')).rows
 *   }
 * }
 * ```
 */
export class TenancyModule implements OnApplicationShutdown {
  readonly #tenancy: TenancyModuleOptions['tenancy']

  constructor(tenancy: TenancyModuleOptions['tenancy']) {
    this.#tenancy = tenancy
  }

  /** @throws TenancyError INVALID_OPTION when the application starts */
  static forRoot(options: TenancyModuleOptions): DynamicModule {
    return TenancyModule.forRootAsync({ useFactory: () => options })
  }

  /** @throws TenancyError INVALID_OPTION when the application starts */
  static forRootAsync({ imports = [], inject = [], useFactory }: TenancyModuleAsyncOptions): DynamicModule {
    const providers: Provider[] = [
      { provide: OPTIONS, inject, useFactory },
      { provide: TENANCY, inject: [OPTIONS], useFactory: ({ tenancy }: TenancyModuleOptions) => tenancy },
      {
        provide: SETTINGS,
        inject: [OPTIONS],
        useFactory: ({ tenancy, ...options }: TenancyModuleOptions) => parseTenantOptions(tenancy, options),
      },
      { provide: APP_GUARD, useClass: TenantGuard },
      { provide: APP_INTERCEPTOR, useClass: TenantInterceptor },
      { provide: APP_FILTER, useClass: TenancyExceptionFilter },
    ]
    return { module: TenancyModule, global: true, imports, providers, exports: [TENANCY] }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#tenancy.close?.()
  }
}

Module({})(TenancyModule)
Inject(TENANCY)(TenancyModule, undefined, 0)
