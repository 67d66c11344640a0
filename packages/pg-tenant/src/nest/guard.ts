import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common'
import { HttpAdapterHost, Reflector } from '@nestjs/core'
import { requestIdOf } from '@org/core'
import type { TenantSettings } from '../http/options.ts'
import { logOnClose, type RequestState } from '../http/request-state.ts'
import { WITHOUT_TENANT } from './decorators.ts'
import { incomingOf, type NestResponse, nodeResponseOf, requestOf } from './request.ts'
import { states } from './state.ts'
import { SETTINGS } from './tokens.ts'

/** Finds out whose request it is before any other guard, pipe or handler runs. */
export class TenantGuard implements CanActivate {
  readonly #settings: TenantSettings
  readonly #reflector: Reflector
  readonly #adapter: HttpAdapterHost

  constructor(settings: TenantSettings, reflector: Reflector, adapter: HttpAdapterHost) {
    this.#settings = settings
    this.#reflector = reflector
    this.#adapter = adapter
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true
    const request = requestOf(context)
    const incoming = incomingOf(request)
    const { onError, onAccess, resolve, trusted } = this.#settings
    const state: RequestState = { requestId: requestIdOf(incoming, trusted), onError }
    states.set(request, state)
    const response = context.switchToHttp().getResponse<NestResponse>()
    this.#adapter.httpAdapter.setHeader(response, 'X-Request-Id', state.requestId)
    logOnClose(nodeResponseOf(response), incoming, state, onAccess)
    if (this.#reflector.getAllAndOverride(WITHOUT_TENANT, [context.getHandler(), context.getClass()]))
      return true
    const resolved = await resolve(incoming)
    state.resolved = resolved
    Object.assign(request, { tenant: resolved.tenant, actor: resolved.actor, resolved })
    return true
  }
}

// What the decorator syntax would do: it cannot be erased, and the sources run as they are.
Injectable()(TenantGuard)
Inject(SETTINGS)(TenantGuard, undefined, 0)
Inject(Reflector)(TenantGuard, undefined, 1)
Inject(HttpAdapterHost)(TenantGuard, undefined, 2)
