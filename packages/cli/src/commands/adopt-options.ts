import { usage } from '../cli-error.ts'
import { DRY_RUN, type OptionDefinition } from '../command.ts'
import { whole } from './values.ts'

export interface Options {
  readonly schema?: string
  readonly role?: string
  readonly all?: boolean
  readonly schemas?: string
  readonly database?: string
  readonly databases?: string
  readonly roles?: string
  readonly passwords?: string
  readonly newPassword?: boolean
  readonly keyFrom?: string
  readonly baseline?: string
  readonly acceptDrift?: boolean
  readonly reuseDeletedKey?: boolean
  readonly confirm?: boolean
  readonly endSessions?: boolean
  readonly undo?: boolean
  readonly acceptCode?: boolean
  readonly lockTimeout?: number
  readonly maxLockTime?: number
  readonly attempts?: number
  readonly dryRun?: boolean
}

export const OPTIONS: readonly OptionDefinition[] = [
  { flags: '--schema <name>', text: 'the schema that has its data, under the name it has' },
  {
    flags: '--role <name>',
    text: 'the name of the role that is made for it; or of its login that is there (levels login and database)',
  },
  { flags: '--database <name>', text: 'the database that has its data (level database)' },
  {
    flags: '--all',
    text: 'every schema (or database) that fits --schemas (or --databases) and is no tenant yet',
  },
  { flags: '--schemas <pattern>', text: 'with --all: their names, * for anything (client_*)' },
  { flags: '--databases <pattern>', text: 'with --all, level database: their names (app_*)' },
  { flags: '--roles <pattern>', text: 'with --all: their logins that are there, * for the key (user_*)' },
  {
    flags: '--passwords <file>',
    text: 'the passwords those logins have: a file of JSON { "key": "password" }',
  },
  {
    flags: '--new-password',
    text: 'give its login a new one and show it, this once; the old one is no use then',
  },
  {
    flags: '--key-from <where>',
    text: 'with --all: star (what the * stands for; default), name, or a file of JSON { "schema": "key" }',
  },
  {
    flags: '--baseline <id>',
    text: 'the newest migration the schemas have, or none (default: what their tool’s ledger says)',
  },
  { flags: '--accept-drift', text: 'also where a schema is not what the migrations make' },
  { flags: '--reuse-deleted-key', text: 'also where a tenant of that key was dropped' },
  { flags: '--confirm', text: 'what is adopted stays so: earlier owners lose what they could do' },
  { flags: '--end-sessions', text: 'with --confirm: end the sessions that earlier owners have open' },
  { flags: '--undo', text: 'as if it had not been adopted; until it is confirmed' },
  { flags: '--accept-code', text: 'with --undo: also give back functions, views and triggers made since' },
  {
    flags: '--lock-timeout <number>',
    text: 'ms to wait for one lock (default 200)',
    parse: whole('--lock-timeout', 1),
  },
  {
    flags: '--max-lock-time <number>',
    text: 'ms tables are locked at most (default 800)',
    parse: whole('--max-lock-time', 1),
  },
  {
    flags: '--attempts <number>',
    text: 'how often one is tried (default 20)',
    parse: whole('--attempts', 1),
  },
  DRY_RUN,
]

/** @throws CliError where options do not go together */
export function requireConsistent(options: Options): void {
  const {
    all = false,
    confirm = false,
    undo = false,
    schema,
    schemas,
    database,
    databases,
    role,
    roles,
  } = options
  const { baseline, dryRun, keyFrom, passwords, newPassword } = options
  if (confirm && undo) throw usage('--confirm or --undo, not both.')
  if (options.acceptCode && !undo) throw usage('--accept-code goes with --undo.')
  if (options.endSessions && !confirm) throw usage('--end-sessions goes with --confirm.')
  const settling = confirm || undo
  const where = [schema, schemas, database, databases, role, roles]
  if (settling && [...where, passwords, newPassword, baseline, dryRun].some((given) => given !== undefined))
    throw usage('--confirm and --undo take a key or --all, and nothing of what was adopted.')
  if (all && !settling && (schemas === undefined) === (databases === undefined))
    throw usage("--all takes --schemas 'client_*' or --databases 'app_*'.")
  if (
    all &&
    (role !== undefined || database !== undefined || (schema !== undefined && databases === undefined))
  )
    throw usage(
      '--all takes --schemas, --databases and --roles: patterns in place of --schema, --database and --role.',
    )
  if (all && roles !== undefined && roles.split('*').length !== 2)
    throw usage('--roles needs one *, which stands for the key: each tenant has a login of its own.')
  if (all && newPassword) throw usage('--new-password is for one tenant: it is shown once.')
  if (!all && [schemas, databases, roles, keyFrom].some((given) => given !== undefined))
    throw usage('--schemas, --databases, --roles and --key-from go with --all.')
}
