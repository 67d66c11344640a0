import { type Command, CommanderError } from 'commander'
import { CliError } from './cli-error.ts'
import type { CommandModule, GlobalOptions } from './command.ts'
import { CATALOGUE } from './commands/catalogue.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { Output } from './output/output.ts'
import { reportError } from './output/report-error.ts'
import { declare, newProgram } from './program.ts'
import { Session } from './session.ts'

/**
 * Runs one command line. Never throws and never ends the process.
 *
 * @param argv what follows the program's name
 * @returns the exit code, see {@link EXIT}
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const program = newProgram(io)
  const state: { exit: ExitCode; module?: CommandModule; session?: Session } = { exit: EXIT.ok }
  for (const { name, summary, group, load } of CATALOGUE) {
    const command = program.command(name).summary(summary).description(capital(summary)).helpGroup(group)
    command.action(async (...given: unknown[]) => {
      const module = await load()
      const session = new Session(io, program.opts<GlobalOptions>(), CATALOGUE)
      Object.assign(state, { module, session })
      // commander passes the arguments, then the options, then the command.
      const args = given.slice(0, -2) as (string | readonly string[])[]
      state.exit = await module.run(session, args, command.opts<object>())
    })
  }
  // Only the command that was called is loaded; its help needs it as well.
  program.hook('preSubcommand', async (_program, command) => {
    const found = CATALOGUE.find(({ name }) => name === command.name())
    if (found) declare(command, await found.load())
  })
  try {
    await program.parseAsync(withoutHelpCommand(argv), { from: 'user' })
  } catch (error) {
    state.exit = failed(error, argv, io, state.session, program)
  }
  await state.session?.close()
  if (state.exit === EXIT.interrupted && state.module?.afterStop)
    state.session?.output.note(state.module.afterStop)
  return state.exit
}

function failed(
  error: unknown,
  argv: readonly string[],
  io: Io,
  session: Session | undefined,
  program: Command,
): ExitCode {
  if (session) return reportError(error, session.output)
  const output = new Output(io, { ...program.opts<GlobalOptions>(), json: argv.includes('--json') })
  if (!(error instanceof CommanderError)) return reportError(error, output)
  if (error.exitCode === 0) return EXIT.ok
  // The help was shown because there was nothing to do.
  if (error.code === 'commander.help') return EXIT.usage
  return reportError(new CliError('USAGE', messageOf(error)), output)
}

/** commander's message without what may be a secret: the value behind a `=`, or a URL. */
function messageOf({ message }: CommanderError): string {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const safe = first.replace(/(?<![\w-])(--?\w[\w-]{0,63})=[^']*/g, '$1=…').replace(/\b\w+:\/\/[^\s']*/g, '…')
  const secret = /unknown option '--?\w*(password|passwd|secret|token)/i.test(safe)
  const hint = secret ? ' Secrets are never arguments: use the environment or the configuration.' : ''
  return [
    `${capital(safe).replace(/\.?$/, '.')}${hint}`,
    ...rest,
    'pg-tenant --help lists the commands and options.',
  ]
    .filter((line) => line !== '')
    .join('\n  ')
}

/** `help create` is `create --help`; a command that is not there is answered as such. */
function withoutHelpCommand(argv: readonly string[]): string[] {
  const [first, asked] = argv
  if (first !== 'help') return [...argv]
  if (asked === undefined) return ['--help']
  return CATALOGUE.some(({ name }) => name === asked) ? [asked, '--help'] : [asked]
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
