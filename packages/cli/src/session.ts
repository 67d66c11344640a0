import type { CatalogueEntry, GlobalOptions, Invocation } from './command.ts'
import { checkUrlArguments, type Environment, resolveSettings, type Settings } from './config/settings.ts'
import type { Connected, Needs } from './config/tenancy.ts'
import type { Io } from './io.ts'
import { Output } from './output/output.ts'

/** One run of one command: what it has opened is closed at its end. */
export class Session implements Invocation {
  readonly io: Io
  readonly env: Environment
  readonly output: Output
  readonly global: GlobalOptions
  readonly signal: AbortSignal
  readonly catalogue: readonly CatalogueEntry[]
  #settings: Promise<Settings> | undefined
  #connected: Connected | undefined

  constructor(io: Io, global: GlobalOptions, catalogue: readonly CatalogueEntry[]) {
    // At once, also for commands that need no database: the password was shown already.
    checkUrlArguments(global)
    this.io = io
    this.env = io.env
    this.global = global
    this.signal = io.signal
    this.catalogue = catalogue
    this.output = new Output(io, global)
  }

  // Commands take these apart, so they are bound.
  readonly settings = (): Promise<Settings> => {
    this.#settings ??= resolveSettings(this.global, this.env, this.io.cwd)
    return this.#settings
  }

  readonly connect = async (needs: Needs = {}): ReturnType<Invocation['connect']> => {
    const settings = await this.settings()
    const { openTenancy } = await import('./config/tenancy.ts')
    const connected = await openTenancy(settings, this.env, needs)
    this.#connected = connected
    return { ...connected, settings, config: settings.config }
  }

  async close(): Promise<void> {
    await this.#connected?.close().catch(() => {})
  }
}
