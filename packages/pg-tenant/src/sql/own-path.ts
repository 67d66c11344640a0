/**
 * The search path of everything an administrator runs by itself: no object of a tenant can stand in for one of the
 * catalogue, and no temporary table for anything.
 */
export const OWN_PATH = 'pg_catalog, pg_temp'
