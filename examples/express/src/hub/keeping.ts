import { hkdfSync } from 'node:crypto'
import { keyRing } from '@org/crypto'
import { auditLog, installAudit } from '@org/governance/audit'
import { createIdempotency } from '@org/governance/idempotency/express'
import { installJobs } from '@org/governance/jobs'
import { forgetEvents, installOutbox, outbox, outboxControl } from '@org/governance/outbox'
import { installPrivacy, privacy, subjectKeys } from '@org/governance/privacy'
import { rateLimit } from '@org/governance/rate-limit'
import {
  archiveTo,
  IDEMPOTENCY_KEYS,
  installRetention,
  retention,
  type TenantTable,
} from '@org/governance/retention'
import { installUsage, usage } from '@org/governance/usage'
import { WEBHOOK_TYPES, webhooks } from '@org/governance/webhooks'
import type { IsolationLevel, Tenancy, TenancyOptions } from '@org/pg-tenant'
import { traceparent } from '@org/pg-tenant/opentelemetry'
import type pg from 'pg'
import type { HubConfig } from '../config.ts'
import type { Control, ControlTransaction } from './control.ts'
import { EVENT_TYPES, isTold } from './events.ts'
import { controlScopes } from './operators-scopes.ts'
import { PEOPLE } from './personal-data.ts'
import { PLATFORM, WHO_HAS_THE_KEY } from './platform.ts'

/** What was delivered can be sent again for this long. */
const WEBHOOK_MESSAGES: TenantTable = { table: 'webhook_message', column: 'created_at', keepDays: 30 }

/** Who is who in the database. */
export interface Roles {
  readonly isolation: IsolationLevel
  readonly rolePrefix: string
  /** What tenants' scopes run as, or can become. */
  readonly application: string
  /** The hub's own: reads and works on what tenants may only add to. */
  readonly hub: string
}

/** Makes the tables of `@org/governance`, or brings them up to date. */
export async function installKeeping(admin: pg.Pool, { hub, ...level }: Roles): Promise<void> {
  await installOutbox(admin, { ...level, workers: [hub] })
  await installAudit(admin, { ...level, readers: [hub], operators: [hub] })
  await installUsage(admin, { ...level, managers: [hub] })
  await installRetention(admin, { managers: [hub] })
  await installPrivacy(admin, { managers: [hub] })
  await installJobs(admin, { runners: [hub] })
}

/** What the hub keeps of what is done in it: the audit log, events and webhooks, usage, and what was answered already. */
export type Keeping = ReturnType<typeof openKeeping>

export function openKeeping(config: HubConfig, control: Control, tenancy: Tenancy) {
  const sealing = keyRing({
    key: config.SETTINGS_ENCRYPTION_KEY,
    retired: config.SETTINGS_ENCRYPTION_KEYS_RETIRED,
  })
  const key = auditKey(config)
  const keys = subjectKeys({ control, sealing })
  const audit = auditLog({
    keys: { env: key },
    // That they changed is said; what they are is the user's, who may be erased.
    // Addresses of many receivers hold a key in their path.
    fields: { user: { sensitive: ['email', 'name', 'suspendedReason'] }, webhook: { sensitive: ['url'] } },
    personal: keys,
  })
  const profile = config.OPERATING_PROFILE
  const types = EVENT_TYPES.filter((type) => isTold(type, profile))
  // What becomes of an event belongs to the trace of the request that published it, whichever process sees to it.
  const events = outbox({ types: [...types, ...WEBHOOK_TYPES], isolation: tenancy.isolation, traceparent })
  const used = usage({ key })
  return {
    audit,
    sealing,
    /** People's keys, under which the audit log keeps what is personal. */
    subjects: keys,
    events,
    used,
    calls: used.calls({ control }),
    queue: outboxControl(control),
    queueIn: (tx: ControlTransaction) => outboxControl(tx),
    hooks: webhooks({ outbox: events, sealing, allow: allowedOf(config), userAgent: 'hub/1', traceparent }),
    /** Routes of tenants: claim, work and answer are one transaction of the tenant; of operators, one of the control schemas. */
    onceInTenant: createIdempotency({ scopes: tenancy, sealing }),
    onceInControl: createIdempotency({
      scopes: controlScopes(control),
      sealing,
      tenantOf: () => PLATFORM,
      actorOf: ({ actor = WHO_HAS_THE_KEY }) => actor,
    }),
    limiter: rateLimit({
      categories: {
        address: { limit: config.RATE_LIMIT_ADDRESS, seconds: 60 },
        login: { limit: config.RATE_LIMIT_LOGIN, seconds: 60 },
        read: { limit: config.RATE_LIMIT_READ, seconds: 60 },
        write: { limit: config.RATE_LIMIT_WRITE, seconds: 60 },
      },
    }),
    /** @param onErase in the transaction that erases */
    people: (onErase?: NonNullable<Parameters<typeof privacy>[0]['onErase']>) =>
      privacy({ data: PEOPLE, keys, scopes: tenancy, control, outbox: events, onErase }),
    keeping: retention({
      profile,
      audit,
      tenantTables: [IDEMPOTENCY_KEYS, WEBHOOK_MESSAGES],
      ...(profile !== 'mvp' && { archive: archiveTo(config.ARCHIVE_DIR ?? '') }),
    }),
  }
}

/** A tenant that is gone has no events to send and nothing to count; what it did stays in the audit log, for its time. */
export const forgetKept =
  (config: HubConfig): NonNullable<TenancyOptions['onForget']> =>
  async (admin, tenant) => {
    await forgetEvents(admin, tenant)
    await usage({ key: auditKey(config) }).forget(admin, tenant)
    await retention().forget(admin, tenant)
  }

function auditKey({ AUDIT_KEY, SETTINGS_ENCRYPTION_KEY }: HubConfig): Uint8Array {
  if (AUDIT_KEY !== undefined) return Buffer.from(AUDIT_KEY, 'hex')
  return Buffer.from(hkdfSync('sha256', Buffer.from(SETTINGS_ENCRYPTION_KEY, 'hex'), '', 'hub audit', 32))
}

function allowedOf({ WEBHOOK_ADDRESSES, WEBHOOK_PORTS, WEBHOOK_HTTP }: HubConfig) {
  return {
    ...(WEBHOOK_ADDRESSES.length > 0 && { addresses: WEBHOOK_ADDRESSES }),
    ...(WEBHOOK_PORTS.length > 0 && { ports: WEBHOOK_PORTS }),
    http: WEBHOOK_HTTP === 'yes',
  }
}
