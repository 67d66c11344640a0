import type { ServerResponse } from 'node:http'
import type { ExecutionContext } from '@nestjs/common'
import type { Actor, ResolvedTenant, TenantKey } from '@org/core'
import type { NodeRequest } from '../http/request-state.ts'
import type { RequestTenancy } from '../http/request-tenancy.ts'

/** What hangs on a request, of Express or of Fastify. */
export interface NestRequest {
  /** Fastify's: Node's request. */
  readonly raw?: NestRequest
  readonly originalUrl?: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>
  readonly socket?: { readonly remoteAddress?: string | undefined }
  tenant?: TenantKey
  actor?: Actor
  resolved?: ResolvedTenant
  tenancy?: RequestTenancy
}

/** A reply of Fastify, or a response of Express: of both, what is the same. */
export interface NestResponse {
  readonly raw?: ServerResponse
  readonly statusCode: number
  removeHeader(name: string): unknown
}

export function requestOf(context: ExecutionContext): NestRequest {
  return context.switchToHttp().getRequest<NestRequest>()
}

/** Node's own response, on both platforms. */
export function nodeResponseOf(response: NestResponse): ServerResponse {
  return response.raw ?? (response as ServerResponse & NestResponse)
}

/** Node's request, with the URL as it was sent. */
export function incomingOf(request: NestRequest): NodeRequest {
  const { method, headers, headersDistinct, socket } = request.raw ?? request
  return { method, url: request.originalUrl ?? request.url, headers, headersDistinct, socket }
}
