import { ERROR_CODES, type ErrorCode } from '@org/core'
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { errorBody } from './schemas.ts'

/** What every route can answer, by who may ask. */
const ALWAYS: readonly ErrorCode[] = [
  'INTERNAL_ERROR',
  'DATABASE_ERROR',
  'UNKNOWN_OUTCOME',
  'SERVICE_UNAVAILABLE',
]
const NAMED: readonly ErrorCode[] = [
  ...ALWAYS,
  'VALIDATION_ERROR',
  'INVALID_TENANT_KEY',
  'TENANT_MISMATCH',
  'UNAUTHORIZED',
  'TENANT_NOT_FOUND',
  'TENANT_SUSPENDED',
  'RATE_LIMITED',
]
const SIGNED_IN: readonly ErrorCode[] = [...NAMED, 'INVALID_TOKEN', 'TOKEN_EXPIRED', 'FORBIDDEN_ACTION']

type Json = Readonly<Record<string, unknown>>
/** A schema as the document shows it. */
type Show = (schema: z.ZodType, io?: 'input' | 'output') => Json
/** Refusals that several operations have in common, by their codes. */
type Refusals = Map<string, Json>

/**
 * The OpenAPI 3.1 document of the endpoints: the schemas it shows are the ones that check.
 *
 * @throws Error when two schemas of one name differ
 */
export function openApiDocument(endpoints: readonly Endpoint[], server: string): object {
  const components = new Map<string, Json>()
  const refused: Refusals = new Map()
  const show = shownIn(components)
  const paths: Record<string, Record<string, Json>> = {}
  for (const one of endpoints) {
    paths[one.path] = { ...paths[one.path], [one.method]: operation(one, show, refused) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Hub', version: '1.0.0', description: 'Tenants, and who may do what in them.' },
    servers: [{ url: server }],
    tags: [...new Set(endpoints.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(components),
      responses: Object.fromEntries(refused),
      headers: {
        RequestId: { description: 'Names the request in logs', required: true, schema: { type: 'string' } },
      },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token of `POST /v1/auth/login`, or an API key.',
        },
      },
    },
  }
}

/** Schemas with an id become components, once. */
function shownIn(components: Map<string, Json>): Show {
  return (schema, io = 'input') => {
    const shown = z.toJSONSchema(schema, { io, override: simplify })
    // `$defs` stands in each schema; here all of them share one place.
    const moved = JSON.stringify(shown).replaceAll('"#/$defs/', '"#/components/schemas/')
    const { $schema: _, $defs = {}, ...own } = JSON.parse(moved) as Json & { $defs?: Record<string, Json> }
    for (const [name, definition] of Object.entries($defs)) {
      const known = components.get(name)
      if (known && JSON.stringify(known) !== JSON.stringify(definition)) {
        throw new Error(`Two schemas are called ${name}; give one of them another id.`)
      }
      components.set(name, definition)
    }
    return own
  }
}

/** A format says it better than its pattern; and what is answered may grow, so clients should not refuse more. */
const simplify: NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']> = ({
  zodSchema,
  jsonSchema,
}) => {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern
  const { def } = zodSchema._zod
  if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties
}

function operation(one: Endpoint, show: Show, refused: Refusals): Json {
  const { access, body } = one
  const isProtected = access !== 'open' && access !== 'named'
  const parameters = [
    ...parametersIn('path', one.params, show),
    ...parametersIn('query', one.query, show),
    ...(access === 'named' ? [TENANT_HEADER] : []),
    ...(one.creates ? [KEY_HEADER] : []),
  ]
  return {
    operationId: operationId(one),
    summary: one.summary,
    tags: [one.tag],
    security: isProtected ? [{ bearer: [] }] : [],
    ...(isProtected && { description: `Needs \`${access}\`.`, 'x-action': access }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: show(body) } },
      },
    }),
    responses: { ...success(one, show), ...refusals(one, show, refused) },
  }
}

const KEY_HEADER: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same request with the same key is done once, and answered the same for a day',
  schema: { type: 'string', pattern: '^[!#-\\[\\]-~]{1,255}$' },
}

const TENANT_HEADER: Json = {
  name: 'X-Client-Key',
  in: 'header',
  required: true,
  description: 'The key of the tenant',
  schema: { type: 'string' },
}

function parametersIn(place: 'path' | 'query', schema: z.ZodType | undefined, show: Show): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = show(schema) as {
    properties?: Record<string, Json>
    required?: readonly string[]
  }
  return Object.entries(properties).map(([name, { description, ...own }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema: own,
  }))
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

const HEADERS: Json = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }

function success(one: Endpoint, show: Show): Json {
  const { status = 200, data } = one
  if (data === undefined || status === 204) return { [status]: { description: 'Done.', headers: HEADERS } }
  const meta = z.object({ nextCursor: z.string().nullable(), hasMore: z.boolean() })
  const once =
    one.bare || one.text ? data : one.list ? z.object({ data: z.array(data), meta }) : z.object({ data })
  const body = one.creates === 'secret' ? z.union([once, repeated]) : once
  const type = one.text ? 'text/plain' : 'application/json'
  const content = { [type]: { schema: show(body, 'output') } }
  return { [status]: { description: 'Done.', headers: HEADERS, content } }
}

/** A repetition of what was answered with a secret is told only what was made. */
const repeated = z.object({ data: z.object({ id: z.string() }) }).meta({ id: 'Repeated' })

/** The refusals by status; each status names its codes. */
function refusals(one: Endpoint, show: Show, refused: Refusals): Json {
  const checks = one.params || one.query || one.body ? (['VALIDATION_ERROR'] as const) : []
  const general = one.access === 'open' ? ALWAYS : one.access === 'named' ? NAMED : SIGNED_IN
  const changes = one.method !== 'get' && general === SIGNED_IN ? (['CONFLICT'] as const) : []
  const repeats = one.creates
    ? (['CONFLICT', 'IDEMPOTENCY_KEY_REUSED', 'VALIDATION_ERROR', 'ABORTED'] as const)
    : []
  const all = [...new Set<ErrorCode>([...general, ...checks, ...changes, ...repeats, ...(one.errors ?? [])])]
  const byStatus = Object.groupBy(all, (code) => ERROR_CODES[code].status)
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => {
      const name = codes.toSorted().join('.')
      refused.set(name, refusal(codes, show))
      return [status, { $ref: `#/components/responses/${name}` }]
    }),
  )
}

function refusal(codes: readonly ErrorCode[], show: Show): Json {
  const code = { properties: { error: { properties: { code: { enum: codes } } } } }
  const schema = { allOf: [show(errorBody, 'output'), code] }
  const description = codes.map((one) => `\`${one}\``).join(', ')
  return { description, headers: HEADERS, content: { 'application/json': { schema } } }
}
