import { usage } from '../../cli-error.ts'

/** The options of both actions; each refuses those of the other. */
export interface AppOptions {
  readonly writeEnv?: string
  readonly connectionLimit?: number
  readonly template?: string
  readonly host?: string
  readonly port?: number
  readonly confirm?: string
  readonly dryRun?: boolean
}

/** @throws CliError USAGE when an option is not one of this action's */
export function allowOnly(action: string, options: AppOptions, allowed: readonly (keyof AppOptions)[]): void {
  for (const name of Object.keys(options) as (keyof AppOptions)[]) {
    if (allowed.includes(name)) continue
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw usage(`${flag} does not go with ${action}. Nothing was done.`)
  }
}
