import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common'
import { type ResolvedTenant, runResolved } from '@org/core'
import { defer, lastValueFrom, Observable } from 'rxjs'
import { REFUSED } from '../http/answer.ts'
import type { TenantSettings } from '../http/options.ts'
import { abortOnClose } from '../http/request-state.ts'
import { inScope, perCall } from '../http/request-tenancy.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import { type NestRequest, type NestResponse, nodeResponseOf, requestOf } from './request.ts'
import { states } from './state.ts'
import { SETTINGS, TENANCY } from './tokens.ts'

/** Opens the tenant's context around pipes and handler: `currentTenant()`, `currentActor()`, the request's data. */
export class TenantInterceptor implements NestInterceptor {
  readonly #tenancy: TenantAccess
  readonly #settings: TenantSettings

  constructor(tenancy: TenantAccess, settings: TenantSettings) {
    this.#tenancy = tenancy
    this.#settings = settings
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const resolved = context.getType() === 'http' ? requestOf(context).resolved : undefined
    if (resolved === undefined) return next.handle()
    const request = requestOf(context)
    const response = context.switchToHttp().getResponse<NestResponse>()
    const requestId = states.get(request)?.requestId
    return new Observable((subscriber) =>
      runResolved({ ...resolved, requestId }, () =>
        this.#serve(resolved, request, response, next).subscribe(subscriber),
      ),
    )
  }

  #serve(
    resolved: ResolvedTenant,
    request: NestRequest,
    response: NestResponse,
    next: CallHandler,
  ): Observable<unknown> {
    const { scope, scopeOptions, abortOnDisconnect } = this.#settings
    if (scope === 'call') {
      const signal = abortOnDisconnect ? { signal: abortOnClose(nodeResponseOf(response)) } : {}
      request.tenancy = perCall(this.#tenancy, resolved, { ...scopeOptions, ...signal })
      return next.handle()
    }
    return defer(() => this.#inScope(resolved, request, response, next))
  }

  /** Nest sends what this resolves to: behind COMMIT, or behind the rollback where the handler answers with an error. */
  async #inScope(
    { tenant }: ResolvedTenant,
    request: NestRequest,
    response: NestResponse,
    next: CallHandler,
  ): Promise<unknown> {
    let answer: unknown
    const work = async (db: TenantDb) => {
      request.tenancy = inScope(db)
      answer = await lastValueFrom(next.handle(), { defaultValue: undefined })
      if (response.statusCode >= 400) throw REFUSED
    }
    const signal = abortOnClose(nodeResponseOf(response))
    try {
      // A request is not run twice: its body is read, and guards have seen it.
      const options = { ...this.#settings.scopeOptions, retry: { attempts: 1 }, signal }
      await this.#tenancy.withTenant(tenant, work, options)
    } catch (error) {
      if (error !== REFUSED) throw error
    }
    return answer
  }
}

Injectable()(TenantInterceptor)
Inject(TENANCY)(TenantInterceptor, undefined, 0)
Inject(SETTINGS)(TenantInterceptor, undefined, 1)
