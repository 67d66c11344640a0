import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError } from '../cli-error.ts'
import { type CommandModule, DRY_RUN } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { configText } from '../init/config-text.ts'
import { proposalsIn, wordsOf } from '../init/proposals.ts'
import { rolesSql } from '../init/roles-sql.ts'
import { safeText } from '../output/safe-text.ts'

interface Options {
  readonly isolation?: 'schema' | 'role' | 'login' | 'row' | 'database'
  readonly js?: boolean
  readonly sql?: boolean
  readonly appRole?: string
  readonly adminRole?: string
  readonly dryRun?: boolean
}

export const init: CommandModule<Options> = {
  options: [
    {
      flags: '--isolation <level>',
      text: 'how tenants are kept apart (default role)',
      choices: ['schema', 'role', 'login', 'row', 'database'],
    },
    { flags: '--js', text: 'write pg-tenant.config.mjs instead of TypeScript' },
    { flags: '--sql', text: 'only print the SQL for the roles' },
    { flags: '--app-role <name>', text: 'the role of the application (default app)' },
    { flags: '--admin-role <name>', text: 'the role that makes tenants (default app_admin)' },
    DRY_RUN,
  ],
  examples: [
    [
      'pg-tenant init',
      'writes pg-tenant.config.ts and migrations/; looks first whether the database has tenants already',
    ],
    ['pg-tenant init --sql | psql "$SUPERUSER_URL"', 'makes the roles; psql asks for no password'],
  ],
  async run({ io, env, output }, _args, options) {
    const found = options.sql ? [] : await proposalsIn(env)
    const rows = found[0]?.kind === 'rows' ? found[0] : undefined
    const {
      isolation = rows ? 'row' : 'role',
      js = false,
      appRole = 'app',
      adminRole = 'app_admin',
      dryRun = false,
    } = options
    const sql = rolesSql({ appRole, adminRole, createDatabases: isolation === 'database' })
    if (options.sql) {
      output.document({ sql })
      output.data(sql.trimEnd())
      return EXIT.ok
    }
    const file = join(io.cwd, js ? 'pg-tenant.config.mjs' : 'pg-tenant.config.ts')
    if (!dryRun) {
      await writeFile(file, configText(isolation, isolation === 'row' ? rows : undefined), {
        flag: 'wx',
      }).catch((error: NodeJS.ErrnoException) => {
        const why = error.code === 'EEXIST' ? 'it is there already, and is not overwritten' : error.code
        throw new CliError(
          'REFUSED',
          `${file} cannot be written: ${why}. pg-tenant init --sql prints the SQL alone.`,
        )
      })
      await mkdir(join(io.cwd, 'migrations'), { recursive: true })
    }
    output.document({ file, isolation, sql, dryRun, found })
    for (const proposal of found) output.note(safeText(wordsOf(proposal)))
    output.note(`${dryRun ? 'Would be written' : 'Written'}: ${file}, migrations/`)
    output.note(
      'Run this as a superuser, or as the owner of the database with CREATEROLE (pg-tenant init --sql | psql …):',
    )
    output.data(sql.trimEnd())
    output.note(
      'Then set DATABASE_URL and ADMIN_DATABASE_URL, put *.sql files into migrations/, and: pg-tenant create <key>',
    )
    return EXIT.ok
  },
}
