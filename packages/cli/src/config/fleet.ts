import type { Fleet, Tenancy } from '@org/pg-tenant'
import { CliError } from '../cli-error.ts'
import type { Config } from './config.ts'
import { loadConfig } from './load-config.ts'
import { type Environment, type PlaceOptions, resolveSettings } from './settings.ts'
import { type Connected, type Needs, openTenancy } from './tenancy.ts'

/** All placements of the configuration. */
export interface ConnectedFleet {
  readonly fleet: Fleet<Tenancy>
  readonly placements: Readonly<Record<string, Connected>>
  readonly config: Config
  close(): Promise<void>
}

/**
 * Opens a tenancy for each placement, and a fleet over them.
 *
 * @throws CliError CONFIGURATION (there are no placements); TenancyError INVALID_OPTION
 */
export async function openFleet(
  options: PlaceOptions,
  env: Environment,
  cwd: string,
  needs: Needs = { belongings: true },
): Promise<ConnectedFleet> {
  const { config } = await loadConfig(cwd, options.config)
  const names = Object.keys(config.placements ?? {})
  if (names.length === 0) throw noPlacements()
  const { createFleet } = await import('@org/pg-tenant')
  const opened: [string, Connected][] = []
  const close = async () => {
    await Promise.all(opened.map(([, connected]) => connected.close()))
  }
  try {
    for (const placement of names) {
      const settings = await resolveSettings({ config: options.config, placement }, env, cwd)
      opened.push([placement, await openTenancy(settings, env, needs)])
    }
    const tenancies = Object.fromEntries(opened.map(([name, { tenancy }]) => [name, tenancy]))
    const fleet = createFleet({ placements: tenancies })
    return { fleet, placements: Object.fromEntries(opened), config, close }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

function noPlacements(): CliError {
  return new CliError(
    'CONFIGURATION',
    'The configuration has no placements. Name the clusters: placements: { eu: { databaseUrl, adminUrl }, us: { … } }.',
  )
}
