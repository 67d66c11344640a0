/** In the control schema: migrations without a transaction that have begun and not ended; `done` of their statements are. */
export const RUN_TABLE = 'tenant_migration_run'
