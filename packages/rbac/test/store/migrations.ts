import type { Migration } from '@org/core'
import { RBAC_API_KEY_MIGRATION, RBAC_MIGRATION } from '../../src/store/index.ts'

/** The columns of the table of `@org/crypto` that count here. */
export const API_KEY: Migration = {
  id: '0001_api_key',
  sql: `create table api_key (id uuid primary key default gen_random_uuid(), name text not null, profile text, actions text[],
    status text not null default 'active', expires_at timestamptz, last_used_at timestamptz)`,
}

export const MIGRATIONS = [RBAC_MIGRATION, API_KEY, RBAC_API_KEY_MIGRATION]
