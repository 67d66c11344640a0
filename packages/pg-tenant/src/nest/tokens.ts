/** Injects the `Tenancy` itself: `@Inject(TENANCY) tenancy: Tenancy`, for work that is no request's. */
export const TENANCY: unique symbol = Symbol('@org/pg-tenant: tenancy')

/** The checked options of the module. */
export const SETTINGS: unique symbol = Symbol('@org/pg-tenant: settings')
