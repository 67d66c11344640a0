import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { CommandModule } from './command.ts'
import type { Io } from './io.ts'

const ABOUT = 'Provision, migrate, verify, back up and retire tenants on PostgreSQL.'

const AFTER = `
Which database: --url, else DATABASE_URL and ADMIN_DATABASE_URL, else pg-tenant.config.ts. Passwords are never
arguments. Exit codes: 0 done, 1 something was found or failed, 2 usage, 3 configuration, 4 no connection, 5 refused,
6 not available, 7 outcome unknown, 130 stopped.

  $ pg-tenant init                    begin here
  $ pg-tenant create acme             a tenant of its own
  $ pg-tenant help create             everything about one command`

/** The program with the options that all commands share; commands are added by `run`. */
export function newProgram(io: Io): Command {
  const program = new Command('pg-tenant')
  return program
    .description(ABOUT)
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('-c, --config <file>', 'configuration (default: pg-tenant.config.ts here)')
    .option('--url <url>', 'database as the application connects, without a password')
    .option('--admin-url <url>', 'the same as the administrator')
    .option('--placement <name>', 'a cluster of the configuration')
    .option('--json', 'JSON on stdout')
    .option('-q, --quiet', 'only results and errors')
    .option('--no-color', 'no colours (also: NO_COLOR)')
    .option('--debug', 'show stacks, and texts of errors that may hold values')
    .addHelpText('after', AFTER)
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Errors are reported in one place.
      outputError: () => {},
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
}

/** Gives a command its arguments, options and examples. */
export function declare(command: Command, module: CommandModule): void {
  for (const [name, text] of module.arguments ?? []) command.argument(name, text)
  for (const { flags, text, parse, choices } of module.options ?? []) {
    const option = new Option(flags, text)
    if (choices) option.choices(choices)
    if (parse) option.argParser(parse)
    command.addOption(option)
  }
  const examples = module.examples.map(([line, text]) => `  $ ${line.padEnd(48)} ${text}`.trimEnd())
  command.addHelpText(
    'after',
    ['', 'Examples:', ...examples, ...(module.exits ? ['', module.exits] : [])].join('\n'),
  )
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
