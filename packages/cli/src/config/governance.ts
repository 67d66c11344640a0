import type { Config } from './config.ts'

/** The schema with the tables of `@org/governance`; `undefined` for its default. */
export const governanceSchema = ({ governance, worker }: Config): string | undefined =>
  governance?.controlSchema ?? worker?.controlSchema

/** How an `install…` is told of the tenancy's level and names. */
export const levelOptions = ({ isolation, rolePrefix, schemaPrefix }: Config) => ({
  isolation: isolation ?? 'role',
  rolePrefix,
  schemaPrefix,
})
