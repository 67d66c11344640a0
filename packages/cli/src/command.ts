import { usage } from './cli-error.ts'
import type { Config } from './config/config.ts'
import type { Environment, PlaceOptions, Settings } from './config/settings.ts'
import type { Connected, Needs } from './config/tenancy.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import type { Output, OutputOptions } from './output/output.ts'

/** The options every command has. */
export type GlobalOptions = OutputOptions & PlaceOptions

/** A command that is loaded only when it is called. */
export interface CatalogueEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  load(): Promise<CommandModule>
}

/** What a command is given when it runs. */
export interface Invocation {
  readonly io: Io
  readonly env: Environment
  readonly output: Output
  readonly global: GlobalOptions
  readonly signal: AbortSignal
  /** All commands there are. */
  readonly catalogue: readonly CatalogueEntry[]
  /** @throws CliError USAGE, CONFIGURATION */
  settings(): Promise<Settings>
  /** Opens the tenancy; the program closes it. */
  connect(needs?: Needs): Promise<Connected & { readonly settings: Settings; readonly config: Config }>
}

/** An option as commander writes it: `-l, --long <value>`. */
export interface OptionDefinition {
  readonly flags: string
  readonly text: string
  /** Turns the text given into a value. @throws CliError USAGE */
  readonly parse?: (text: string) => unknown
  readonly choices?: readonly string[]
}

/** A command: what it looks like from outside, and what it does. */
export interface CommandModule<O extends object = object> {
  /** e.g. `<key>` or `[keys...]`, with what it is. */
  readonly arguments?: readonly (readonly [name: string, text: string])[]
  /** What the first argument can be, where that is a few words; for completion. */
  readonly words?: readonly string[]
  readonly options?: readonly OptionDefinition[]
  /** Lines of a shell with what they do. */
  readonly examples: readonly (readonly [line: string, text: string])[]
  /** What its exit codes mean beyond the general ones. */
  readonly exits?: string
  /** How to go on after it was stopped. */
  readonly afterStop?: string
  run(invocation: Invocation, args: readonly (string | readonly string[])[], options: O): Promise<ExitCode>
}

/** The argument at a place; commander has made sure it is there. */
export const argument = (args: readonly (string | readonly string[])[], at: number): string =>
  String(args[at] ?? '')

/** The first argument, where it says what to do. @throws CliError USAGE */
export function actionOf<Action extends string>(
  command: string,
  args: readonly (string | readonly string[])[],
  actions: readonly Action[],
): Action {
  const action = actions.find((one) => one === args[0])
  if (action === undefined) throw usage(`${command} takes ${actions.join(', ')}.`)
  return action
}

/** Who names a tenant means that one alone. @throws CliError USAGE */
export function requireNoTenant(command: string, action: string, args: readonly unknown[]): void {
  if (args[1] !== undefined) throw usage(`${command} ${action} takes no tenant. Nothing was done.`)
}

/** The rest of the arguments, `undefined` when there is none. */
export function argumentsFrom(
  args: readonly (string | readonly string[])[],
  at: number,
): readonly string[] | undefined {
  const rest = args[at]
  return Array.isArray(rest) && rest.length > 0 ? rest : undefined
}

/** `dryRun` wherever something is changed. */
export const DRY_RUN: OptionDefinition = { flags: '--dry-run', text: 'only say what would be done' }
