import type { Migration } from '@org/core'
import type pg from 'pg'

/** What the hub knows beside the registry (`tenancy`) and entitlement (`rbac`): schema `hub`. */
export const HUB_SCHEMA = 'hub'

const TENANT_PROFILE = `create table if not exists hub.tenant_profile (
  key text constraint pk_tenant_profile primary key,
  name text not null,
  domain text,
  -- When it was complete: a tenant cut off half-way is made again by the same request.
  onboarded_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
)`
const LOCK = `select pg_advisory_xact_lock(hashtextextended('hub.control', 0))`
const DIRECTORY_IS_THERE = `select to_regclass('hub.api_key_directory') is not null as there`
/** The application reads and writes here; the tenants' roles have no right to. */
const GRANTS = `grant usage on schema hub to %I;
  grant select, insert, update, delete on hub.tenant_profile, hub.api_key_directory to %I`

/** Makes the schema or completes it, as the administrator; several processes may start at once. */
export async function installHub(admin: pg.Pool, directory: Migration, application: string): Promise<void> {
  const client = await admin.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    await client.query(LOCK)
    await client.query('create schema if not exists hub; revoke all on schema hub from public')
    await client.query(TENANT_PROFILE)
    const { rows } = await client.query<{ there: boolean }>(DIRECTORY_IS_THERE)
    if (!rows[0]?.there) await client.query(directory.sql)
    await client.query(GRANTS.replaceAll('%I', client.escapeIdentifier(application)))
    await client.query('commit')
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    // A connection in a failed transaction is not given back to others.
    client.release(broken)
  }
}
