import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import { ERROR_CODES, type ErrorCode } from '@org/core'
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { errorBody } from './schemas.ts'

type Document = ReturnType<OpenApiGeneratorV31['generateDocument']>

/** What every route can answer, by who may ask. */
const ALWAYS: readonly ErrorCode[] = ['INTERNAL_ERROR', 'SERVICE_UNAVAILABLE']
const NAMED: readonly ErrorCode[] = [
  ...ALWAYS,
  'INVALID_TENANT_KEY',
  'TENANT_MISMATCH',
  'UNAUTHORIZED',
  'TENANT_NOT_FOUND',
  'TENANT_SUSPENDED',
]
const SIGNED_IN: readonly ErrorCode[] = [...NAMED, 'INVALID_TOKEN', 'TOKEN_EXPIRED', 'FORBIDDEN_ACTION']

/** The OpenAPI 3.1 document of the endpoints: the schemas it shows are the ones that check. */
export function openApiDocument(endpoints: readonly Endpoint[], server: string): Document {
  const registry = new OpenAPIRegistry()
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token of `POST /v1/auth/login`, or an API key.',
  })
  for (const one of endpoints) registerEndpoint(registry, one)
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Hub', version: '1.0.0', description: 'Tenants, and who may do what in them.' },
    servers: [{ url: server }],
  })
}

function registerEndpoint(registry: OpenAPIRegistry, one: Endpoint): void {
  const { params, query, body } = one
  registry.registerPath({
    method: one.method,
    path: one.path,
    operationId: operationId(one),
    summary: one.summary,
    tags: [one.tag],
    security: one.access === 'open' || one.access === 'named' ? [] : [{ bearer: [] }],
    ...(one.access.includes('.') && { description: `Needs \`${one.access}\`.`, 'x-action': one.access }),
    request: {
      ...(params && { params: params as z.ZodObject }),
      ...(query && { query: query as z.ZodObject }),
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
      ...(one.access === 'named' && {
        headers: z.object({ 'X-Client-Key': z.string().describe('The key of the tenant') }),
      }),
    },
    responses: { ...success(one), ...refusals(one) },
  })
}

/** `get /v1/users/{id}` is `getUsersById`. */
function operationId({ method, path }: Endpoint): string {
  const words = path
    .replace(/^\/(v1\/|\.well-known\/)?/, '')
    .split(/[/.-]/)
    .map((word) => word.replace(/^\{(\w+)\}$/, 'by-$1'))
    .flatMap((word) => word.split(/[-_]/))
  return [method, ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('')
}

function success(one: Endpoint) {
  const { status = 200, data } = one
  if (data === undefined || status === 204) return { [status]: { description: 'Done.' } }
  if (one.text) return { [status]: { description: 'Done.', content: { 'text/plain': { schema: data } } } }
  const meta = z.object({ nextCursor: z.string().nullable(), hasMore: z.boolean() })
  const body = one.bare ? data : one.list ? z.object({ data: z.array(data), meta }) : z.object({ data })
  return { [status]: { description: 'Done.', content: { 'application/json': { schema: body } } } }
}

/** The refusals by status, their codes in the description. */
function refusals(one: Endpoint) {
  const checks = one.params || one.query || one.body ? (['VALIDATION_ERROR'] as const) : []
  const general = one.access === 'open' ? ALWAYS : one.access === 'named' ? NAMED : SIGNED_IN
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set<ErrorCode>([...general, ...checks, ...(one.errors ?? [])])) {
    const { status } = ERROR_CODES[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\``).join(', '),
        content: { 'application/json': { schema: errorBody } },
      },
    ]),
  )
}
