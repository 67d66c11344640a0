import { usage } from '../cli-error.ts'
import { argument, type CommandModule, DRY_RUN } from '../command.ts'
import { createApp } from './app/create.ts'
import { dropApp } from './app/drop.ts'
import type { AppOptions } from './app/options.ts'
import { whole } from './values.ts'

const ACTIONS = ['create', 'drop'] as const

export const app: CommandModule<AppOptions> = {
  arguments: [
    ['<action>', 'create or drop'],
    ['<name>', 'the app: 3 to 32 of a-z, 0-9 and "_"'],
  ],
  words: ACTIONS,
  options: [
    {
      flags: '--write-env <file>',
      text: 'with create: write its connection there, readable by you only',
    },
    {
      flags: '--connection-limit <number>',
      text: 'with create: connections its role may have at once (default 20)',
      parse: whole('--connection-limit', 1, 10_000),
    },
    { flags: '--template <database>', text: 'with create: what it is copied from (default template0)' },
    { flags: '--host <host>', text: 'with create: where the app connects to, if not where you do' },
    { flags: '--port <port>', text: 'with create: and the port there', parse: whole('--port', 1, 65_535) },
    { flags: '--confirm <name>', text: 'with drop: repeats the name where nobody can type it' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant app create billing', 'database and role app_billing; its connection is shown, this once'],
    ['pg-tenant app create billing --write-env billing.env', 'its connection goes into a file'],
    ['pg-tenant app drop billing --confirm billing', 'for good: back it up first (pg_dump)'],
  ],
  exits:
    'The administrator needs CREATEROLE and CREATEDB. 5: an app, database or role of that name is there.',
  afterStop: 'Run it again: what was cut off is finished, or removed.',
  async run(invocation, args, options) {
    const [action, name] = [argument(args, 0), argument(args, 1)]
    if (!ACTIONS.some((one) => one === action))
      throw usage('app takes create or drop, then the name of an app.')
    // As the library checks it, before anything is connected.
    if (!/^[a-z0-9_]{3,32}$/.test(name)) throw usage('The name of an app is 3 to 32 of a-z, 0-9 and "_".')
    return action === 'create'
      ? await createApp(invocation, name, options)
      : await dropApp(invocation, name, options)
  },
}
