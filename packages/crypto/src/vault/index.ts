export type { VaultOptions } from './options.ts'
export { vaultTransit } from './transit.ts'
