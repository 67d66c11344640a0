import type { Migration } from '@org/core'

/** The table of every tenant's credentials; also part of the place each is bound to. */
export const CREDENTIAL_TABLE = 'integration_credential'

const COLUMNS = `provider text not null,
  name text not null,
  sealed text not null,
  expires_at timestamptz,
  updated_at timestamptz not null default clock_timestamp()`

/** The table of a tenant's credentials. Give it to `createTenancy({ migrations })`. */
export const integrationsMigration: Migration = {
  id: 'crypto_0002_integration_credential',
  sql: `create table ${CREDENTIAL_TABLE} (
  ${COLUMNS},
  constraint pk_integration_credential primary key (provider, name)
)`,
}

/** The same at level `row`, where tenants share it; for another column than `tenant_id`, copy it. */
export const integrationsRowMigration: Migration = {
  id: 'crypto_0002_integration_credential',
  sql: `create table ${CREDENTIAL_TABLE} (
  tenant_id text not null,
  ${COLUMNS},
  constraint pk_integration_credential primary key (tenant_id, provider, name)
)`,
}
