import 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    pgTenantServerUrl: string
  }
}
