import type { Migration } from '@org/core'
import { IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import pg from 'pg'

/** What the hub knows beside the registry (`tenancy`) and entitlement (`rbac`): schema `hub`. */
export const HUB_SCHEMA = 'hub'

const TENANT_PROFILE = `create table if not exists hub.tenant_profile (
  key text constraint pk_tenant_profile primary key,
  name text not null,
  domain text,
  -- When it was complete: a tenant cut off half-way is made again by the same request.
  onboarded_at timestamptz,
  -- Since when it can only be read, and why; null when it is as ever.
  maintenance_since timestamptz,
  maintenance_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
)`
/** Of releases before this one. */
const COMPLETE = `alter table hub.tenant_profile
  add column if not exists maintenance_since timestamptz, add column if not exists maintenance_reason text`
const LOCK = `select pg_advisory_xact_lock(hashtextextended('hub.control', 0))`
/** Operators' requests are answered once as well: their keys stand where their changes do. */
const KEYS_ARE_THERE = `select to_regclass('hub.idempotency_key') is not null as there`
const DIRECTORY_IS_THERE = `select to_regclass('hub.api_key_directory') is not null as there`
/** The hub's own role reads and writes here; neither tenants' roles nor the application, which they can become, have a right to. */
const GRANTS = `grant usage on schema hub to %I;
  grant select, insert, update, delete on hub.tenant_profile, hub.api_key_directory, hub.idempotency_key to %I`

/** Makes the schema or completes it, as the administrator; several processes may start at once. */
export async function installHub(admin: pg.Pool, directory: Migration, hub: string): Promise<void> {
  const client = await admin.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    await client.query(LOCK)
    await client.query('create schema if not exists hub; revoke all on schema hub from public')
    await client.query(TENANT_PROFILE)
    await client.query(COMPLETE)
    await unlessThere(client, DIRECTORY_IS_THERE, directory.sql)
    await unlessThere(client, KEYS_ARE_THERE, `set local search_path to hub; ${IDEMPOTENCY_MIGRATION.sql}`)
    await client.query(GRANTS.replaceAll('%I', client.escapeIdentifier(hub)))
    await client.query('commit')
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    // A connection in a failed transaction is not given back to others.
    client.release(broken)
  }
}

/** Which tenants there are, beside what the hub knows of them. Once there is a registry. */
export async function letReadRegistry(admin: pg.Pool, hub: string): Promise<void> {
  const role = pg.escapeIdentifier(hub)
  await admin.query(`grant usage on schema tenancy to ${role}; grant select on tenancy.tenant to ${role}`)
}

async function unlessThere(client: pg.PoolClient, question: string, make: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(question)
  if (!rows[0]?.there) await client.query(make)
}
