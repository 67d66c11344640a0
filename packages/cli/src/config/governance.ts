import type { Config } from './config.ts'
import type { Settings } from './settings.ts'

/** The schema with the tables of `@org/governance`; `undefined` for its default. */
export const governanceSchema = ({ governance, worker }: Config): string | undefined =>
  governance?.controlSchema ?? worker?.controlSchema

/** How an `install…` is told of the tenancy's level and names. */
export function levelOptions({ config, databaseUrl }: Settings, application: string | undefined) {
  const { isolation = 'role', rolePrefix, schemaPrefix } = config
  // Given nothing at these levels, so that who connects may stand for who was named: it is refused as a reader or worker.
  const connects = isolation === 'role' || isolation === 'login' ? userOf(databaseUrl) : undefined
  return { isolation, rolePrefix, schemaPrefix, application: application ?? connects }
}

const userOf = (url: string) => decodeURIComponent(new URL(url).username) || undefined
