import { access } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isTenancyError } from '@org/core'
import { CliError } from '../cli-error.ts'
import { safeText } from '../output/safe-text.ts'
import type { Config } from './config.ts'

/** In this order; the first that is there counts. */
export const CONFIG_NAMES = ['ts', 'mts', 'js', 'mjs'].map((extension) => `pg-tenant.config.${extension}`)

/** A configuration and where relative paths in it start. */
export interface LoadedConfig {
  readonly config: Config
  /** `undefined` when there is no file. */
  readonly file: string | undefined
  readonly folder: string
}

/**
 * Loads the configuration that `path` names, or the first of {@link CONFIG_NAMES} in `cwd`; none at all is fine.
 *
 * @throws CliError CONFIGURATION
 */
export async function loadConfig(cwd: string, path: string | undefined): Promise<LoadedConfig> {
  const file = path === undefined ? await firstOf(cwd) : resolve(cwd, path)
  if (file === undefined) return { config: {}, file: undefined, folder: cwd }
  if (!(await exists(file))) throw wrong(`There is no configuration file ${file}. pg-tenant init makes one.`)
  return { config: configIn(await load(file), file), file, folder: dirname(file) }
}

async function firstOf(cwd: string): Promise<string | undefined> {
  for (const name of CONFIG_NAMES) if (await exists(resolve(cwd, name))) return resolve(cwd, name)
  return undefined
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

async function load(file: string): Promise<object> {
  if (/^\.m?ts$/.test(extname(file)) && !process.features.typescript) throw noTypeScript(file)
  try {
    return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as object
  } catch (error) {
    if (isTenancyError(error)) throw error
    const reason = reasonOf(error)
    const [, lacking] = /^Cannot find package '([^']+)'/.exec(reason) ?? []
    // A command that is installed elsewhere (npx, globally) finds the file, and the file not what it imports.
    const todo = lacking ? `Where it is: npm install --save-dev ${lacking}` : 'With --debug you see where'
    throw wrong(`${file} could not be loaded: ${reason}. ${todo}.`, error)
  }
}

function configIn(module: object, file: string): Config {
  const found = (module as { default?: unknown }).default
  if (typeof found === 'object' && found !== null) return withThresholds(found, file)
  throw wrong(`${file} has no default export that is an object. Write: export default defineConfig({ … })`)
}

/** Spread over others, what is no object would be nothing. */
function withThresholds(config: Config, file: string): Config {
  const placed = Object.entries(config.placements ?? {}).map(
    ([name, one]) => [`placements.${name}.`, one] as const,
  )
  for (const [where, { thresholds }] of [['', config] as const, ...placed])
    if (
      thresholds !== undefined &&
      (typeof thresholds !== 'object' || thresholds === null || Array.isArray(thresholds))
    )
      throw wrong(`${file}: ${where}thresholds must be an object, such as { storageBytes: 500e9 }.`)
  return config
}

/** Codes of the module loader, whose messages name files and packages. Other codes of Node name values they were given. */
const LOADER =
  /^ERR_(MODULE_NOT_FOUND|UNKNOWN_FILE_EXTENSION|UNSUPPORTED_|INVALID_TYPESCRIPT_SYNTAX|PACKAGE_|INVALID_MODULE)/

/** What the loader says; what code in the file throws may hold values. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'its code threw something that is no error'
  const { name, message, stack = '' } = error
  const { code } = error as { code?: unknown }
  // Thrown by the loader's parser, not by JSON.parse or new RegExp in the file.
  const [thrower = ''] = stack.split('\n').filter((line) => /^ +at /.test(line))
  const parser = name === 'SyntaxError' && thrower.includes('node:internal/modules/')
  if (!parser && !LOADER.test(String(code))) return `its code threw a ${safeText(name)}`
  return safeText(message.split('\n')[0]?.replace(/\.$/, '') ?? '')
}

function noTypeScript(file: string): CliError {
  return wrong(
    `This Node.js (${process.version}) does not read TypeScript, so ${file} cannot be loaded. Use Node.js 22.18 or later, ` +
      'set NODE_OPTIONS=--experimental-strip-types, or write it as pg-tenant.config.mjs.',
  )
}

function wrong(message: string, cause?: unknown): CliError {
  return new CliError('CONFIGURATION', message, { cause })
}
