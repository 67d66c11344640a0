import {
  type Attributes,
  type Context,
  metrics,
  type Meter as OtelMeter,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import {
  type DeliveryTrace,
  type EventTrace,
  type OptionNames,
  requireKnownOptions,
  type ScopeTrace,
  type StatementTrace,
  TRACES,
  type TraceMessage,
  type Traces,
} from '@org/core'
import { contextOf, here, inner, innerOf } from './context.ts'

/** Options of {@link openTelemetry}. */
export interface OpenTelemetryOptions {
  /** Default: that of the registered provider. */
  readonly tracer?: Tracer | undefined
  readonly meter?: OtelMeter | undefined
  /** On every span and measurement: `server.address`, `db.namespace`, … (default none). */
  readonly attributes?: Attributes | undefined
  /**
   * `db.query.text`: the statement without literals, comments and white space (default false: only a fingerprint). Never its
   * parameters.
   */
  readonly statementText?: boolean | undefined
  /** Spans of statements (default true); without them those of scopes remain. */
  readonly statements?: boolean | undefined
}

const NAME = '@org/pg-tenant'
const SYSTEM = { 'db.system.name': 'postgresql' } as const
/** Buckets of the semantic conventions, in seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

const OPEN_TELEMETRY_OPTIONS: OptionNames<OpenTelemetryOptions> = {
  tracer: true,
  meter: true,
  attributes: true,
  statementText: true,
  statements: true,
}

/**
 * Spans and the metric `db.client.operation.duration` for OpenTelemetry, after its semantic conventions for database clients: a
 * span for each scope with one for each of its statements, and for administrators' operations, events, deliveries and jobs. The
 * tenant is an attribute of spans (`pg_tenant.tenant`) and never of metrics.
 *
 * @returns what ends it
 * @example
 * ```ts
 * import { openTelemetry } from '@org/pg-tenant/opentelemetry'
 *
 * const stop = openTelemetry({ attributes: { 'server.address': 'db.internal' } })
 * await tenancy.query('acme', 'select 1') // a span, with the spans of its statements
 * stop()
 * ```
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): () => void {
  requireKnownOptions(options, OPEN_TELEMETRY_OPTIONS)
  const { tracer = trace.getTracer(NAME), meter = metrics.getMeter(NAME), attributes = {} } = options
  const duration = meter.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations.',
    advice: { explicitBucketBoundaries: BUCKETS },
  })
  const spans = new WeakMap<TraceMessage, Span>()
  const watch = <Message extends TraceMessage>(traces: Traces<Message>, how: Shape<Message>) => {
    const begin = (message: Message) => {
      const { name, kind = SpanKind.INTERNAL, attributes: own, parent } = how.begin(message, spans)
      const made: SpanOptions = { kind, attributes: { ...attributes, ...own } }
      const span = tracer.startSpan(name, made, parent ?? here())
      spans.set(message, span)
      return innerOf(span)
    }
    const stops = [
      traces.bindStore(inner, begin),
      traces.listen({
        over: (message) => {
          const span = spans.get(message)
          if (!span) return
          if (span.isRecording()) span.setAttributes({ ...how.end?.(message), ...failureOf(message) })
          if (message.code !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }
  const stops = [
    watch(TRACES.scope, SCOPE),
    ...(options.statements === false
      ? []
      : [watch(TRACES.statement, statementShape(options.statementText === true))]),
    watch(TRACES.operation, {
      begin: ({ operation, tenant }) => ({ name: `pg-tenant ${operation}`, attributes: tenantOf(tenant) }),
    }),
    watch(TRACES.event, EVENT),
    watch(TRACES.delivery, DELIVERY),
    watch(TRACES.job, { begin: ({ job }) => ({ name: job }) }),
    TRACES.statement.listen({
      over: (message) => {
        const { operation, ms = 0 } = message
        duration.record(ms / 1_000, {
          ...attributes,
          ...SYSTEM,
          'db.operation.name': operation,
          ...failureOf(message),
        })
      },
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** How a message is a span. */
interface Shape<Message extends TraceMessage> {
  begin(message: Message, spans: WeakMap<TraceMessage, Span>): Begun
  end?(message: Message): Attributes
}

interface Begun {
  readonly name: string
  readonly kind?: SpanKind
  readonly attributes?: Attributes
  /** If it is not what runs here. */
  readonly parent?: Context | undefined
}

const SCOPE: Shape<ScopeTrace> = {
  begin: ({ tenant, kind, level, readOnly }) => ({
    name: 'pg-tenant scope',
    attributes: {
      ...SYSTEM,
      ...tenantOf(tenant),
      'pg_tenant.scope.kind': kind,
      'pg_tenant.isolation': level,
      'pg_tenant.read_only': readOnly,
    },
  }),
  end: ({ statements, attempts, waitMs }) => ({
    'pg_tenant.statements': statements,
    'pg_tenant.attempts': attempts,
    ...(waitMs !== undefined && { 'pg_tenant.connection_wait_ms': waitMs }),
  }),
}

function statementShape(text: boolean): Shape<StatementTrace> {
  return {
    begin: ({ operation, tenant, scope }, spans) => {
      // What is opened by hand runs its statements elsewhere than it began.
      const around = inner.getStore() === undefined ? spans.get(scope) : undefined
      return {
        name: operation,
        kind: SpanKind.CLIENT,
        attributes: { ...SYSTEM, ...tenantOf(tenant), 'db.operation.name': operation },
        parent: around && trace.setSpan(here(), around),
      }
    },
    end: (message) => ({
      'pg_tenant.fingerprint': message.fingerprint,
      ...(text && { 'db.query.text': message.normalised() }),
      ...(message.rows !== undefined && { 'db.response.returned_rows': message.rows }),
    }),
  }
}

const EVENT: Shape<EventTrace> = {
  begin: ({ tenant, type, id, attempt, traceparent }) => ({
    name: `process ${type}`,
    kind: SpanKind.CONSUMER,
    attributes: {
      'messaging.system': 'pg_tenant_outbox',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': type,
      'messaging.message.id': id,
      'pg_tenant.attempt': attempt,
      ...tenantOf(tenant),
    },
    parent: contextOf(traceparent),
  }),
}

const DELIVERY: Shape<DeliveryTrace> = {
  begin: ({ tenant, type, endpoint, attempt }) => ({
    name: `deliver ${type}`,
    kind: SpanKind.CLIENT,
    attributes: {
      'http.request.method': 'POST',
      'pg_tenant.webhook.endpoint': endpoint,
      'pg_tenant.attempt': attempt,
      ...tenantOf(tenant),
    },
  }),
  end: ({ status }) => (status === undefined ? {} : { 'http.response.status_code': status }),
}

const tenantOf = (tenant: string | undefined): Attributes =>
  tenant === undefined ? {} : { 'pg_tenant.tenant': tenant }

function failureOf({ code, sqlState }: TraceMessage): Attributes {
  if (code === undefined) return {}
  return { 'error.type': code, ...(sqlState !== undefined && { 'db.response.status_code': sqlState }) }
}
