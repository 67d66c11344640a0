import { CliError } from '../cli-error.ts'
import type { Config, PlacementConfig } from './config.ts'
import { loadConfig } from './load-config.ts'
import { checkUrlArgument, urlSetting, withPassword } from './url.ts'

/** The options of every command that say which database. */
export interface PlaceOptions {
  readonly config?: string | undefined
  readonly url?: string | undefined
  readonly adminUrl?: string | undefined
  readonly placement?: string | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

/** What holds for this run, from wherever it came. */
export interface Settings {
  readonly config: Config
  /** Where relative paths in the configuration start. */
  readonly folder: string
  readonly file: string | undefined
  readonly placement: string | undefined
  /** As the application connects. */
  readonly databaseUrl: string
  /** As the administrator connects. */
  readonly adminUrl: string
}

/** @throws CliError USAGE when a URL on the command line is none, or holds a password */
export function checkUrlArguments({ url, adminUrl }: PlaceOptions): void {
  if (url !== undefined) checkUrlArgument('--url', url)
  if (adminUrl !== undefined) checkUrlArgument('--admin-url', adminUrl)
}

/**
 * Precedence: the command line, then the environment, then the file. `--placement` names a cluster of the file, and the
 * environment's URLs, which know nothing of clusters, do not count then.
 *
 * @throws CliError CONFIGURATION
 */
export async function resolveSettings(
  options: PlaceOptions,
  env: Environment,
  cwd: string,
): Promise<Settings> {
  const { url, adminUrl: admin } = options
  const { config, folder, file } = await loadConfig(cwd, options.config)
  const placed = options.placement === undefined ? undefined : placementOf(config, options.placement)
  const urls =
    placed?.databaseUrl === undefined ? baseUrls(config, env) : urlsOf(placed, String(options.placement))
  const databaseUrl = url ?? urls.databaseUrl
  if (databaseUrl === undefined) throw noUrl(file, options.placement === undefined ? config : {})
  // An admin URL from elsewhere does not belong to a database that was named on the command line.
  const adminUrl = admin ?? (url === undefined ? urls.adminUrl : undefined) ?? databaseUrl
  return {
    config: withPlacement(config, placed),
    folder,
    file,
    placement: options.placement,
    databaseUrl: withPassword(databaseUrl, env.PGPASSWORD),
    adminUrl: withPassword(adminUrl, env.PGPASSWORD),
  }
}

interface Urls {
  readonly databaseUrl: string | undefined
  readonly adminUrl: string | undefined
}

function baseUrls(config: Config, env: Environment): Urls {
  return {
    databaseUrl: chosen('DATABASE_URL', env.DATABASE_URL, 'databaseUrl', config.databaseUrl),
    adminUrl: chosen('ADMIN_DATABASE_URL', env.ADMIN_DATABASE_URL, 'adminUrl', config.adminUrl),
  }
}

function urlsOf({ databaseUrl, adminUrl }: PlacementConfig, placement: string): Urls {
  return {
    databaseUrl: urlSetting(`placements.${placement}.databaseUrl`, databaseUrl),
    adminUrl: adminUrl === undefined ? undefined : urlSetting(`placements.${placement}.adminUrl`, adminUrl),
  }
}

function placementOf({ placements = {} }: Config, placement: string): PlacementConfig {
  const found = Object.hasOwn(placements, placement) ? placements[placement] : undefined
  if (found) return found
  const names = Object.keys(placements)
  throw new CliError(
    'CONFIGURATION',
    `The configuration has no placement of that name${names.length > 0 ? `; it has ${names.join(', ')}` : ''}.`,
  )
}

/** What a placement says goes before what is said for all. */
function withPlacement(config: Config, placed: PlacementConfig = {}): Config {
  const { databaseUrl: _url, adminUrl: _adminUrl, thresholds: _thresholds, ...own } = placed
  if (own.isolation === undefined || own.isolation === 'row') return { ...config, ...own }
  // Where the tables of level `row` are says nothing of a placement at another.
  const { row: _row, ...rest } = config
  return { ...rest, ...own }
}

/** An empty variable is none, as in a shell. */
function chosen(
  variable: string,
  fromEnv: string | undefined,
  option: string,
  fromFile: unknown,
): string | undefined {
  if (fromEnv) return urlSetting(variable, fromEnv)
  return fromFile === undefined ? undefined : urlSetting(option, fromFile)
}

function noUrl(file: string | undefined, { placements = {} }: Config): CliError {
  const names = Object.keys(placements)
  if (names.length > 0)
    return new CliError('CONFIGURATION', `Which cluster? Give --placement with one of: ${names.join(', ')}.`)
  const where = file === undefined ? 'There is no pg-tenant.config.ts here' : `${file} has no databaseUrl`
  return new CliError(
    'CONFIGURATION',
    `Which database? ${where} and DATABASE_URL is not set. Set it, or run pg-tenant init, or give --url (without a password).`,
  )
}
