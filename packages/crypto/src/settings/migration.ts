import type { Migration } from '@org/core'

/** The table of every tenant's settings; also part of the place a secret is bound to. */
export const SETTINGS_TABLE = 'app_settings'

/**
 * The table of a tenant's settings. Give it to `createTenancy({ migrations })`.
 *
 * `value` is JSON text, or an envelope (`enc:v1:…`, `enc:v2:…`) around JSON text; no JSON begins with `enc:`, so the
 * two are never mistaken for each other. `updated_at` is the version of the row: whoever changes `value` by SQL sets
 * it too.
 */
export const settingsMigration: Migration = {
  id: 'crypto_0001_app_settings',
  sql: `create table app_settings (
  key text primary key,
  value text not null,
  updated_at timestamptz not null default clock_timestamp()
)`,
}
