import type { Migration } from '@org/core'
import { installAudit } from '@org/governance/audit'
import { IDEMPOTENCY_LEAN_MIGRATION, IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import { installOutbox } from '@org/governance/outbox'
import { WEBHOOKS_MIGRATION } from '@org/governance/webhooks'
import type pg from 'pg'

export const WORKER = 'soak_worker'

/**
 * `soak_effect`: what handlers did, one row for each idempotency key; `soak_times`: how often they did it; `soak_once`: what
 * idempotent requests did, which nothing but their key keeps from being done twice.
 */
const TABLES = `
  create table soak_effect (key text primary key, tenant text not null, op bigint not null);
  create table soak_times (one boolean primary key default true check (one), n bigint not null default 0);
  insert into soak_times default values;
  create table soak_once (key text not null, tenant text not null, op bigint not null);
  create index on soak_effect (op)`

export const GOVERNANCE_MIGRATIONS: readonly Migration[] = [
  { id: '0002_soak_governance', sql: TABLES },
  IDEMPOTENCY_MIGRATION,
  WEBHOOKS_MIGRATION,
  IDEMPOTENCY_LEAN_MIGRATION,
]

export async function installGovernance(
  admin: pg.Pool,
  isolation: 'role' | 'schema',
  application: string,
): Promise<void> {
  await admin.query(`create role ${WORKER} login noinherit`)
  await installOutbox(admin, { isolation, application, workers: [WORKER] })
  await installAudit(admin, { isolation, application, readers: [WORKER] })
}
