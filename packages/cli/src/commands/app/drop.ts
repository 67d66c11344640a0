import type { Invocation } from '../../command.ts'
import { standingOfApp, withAdmin } from '../../config/admin.ts'
import { confirmKey } from '../../confirm.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { type AppOptions, allowOnly } from './options.ts'

/** Removes an app's database and role, ending its connections. There is no backup. */
export async function dropApp(invocation: Invocation, app: string, options: AppOptions): Promise<ExitCode> {
  allowOnly('drop', options, ['confirm', 'dryRun'])
  const { output } = invocation
  if (!options.dryRun)
    await confirmKey(
      invocation,
      app,
      options.confirm,
      `${app} and all its data are dropped, without a backup.`,
      'name',
    )
  const settings = await invocation.settings()
  return await withAdmin(settings, async (pool) => {
    if (options.dryRun) {
      const { name, role, database } = await standingOfApp(pool, app)
      output.document({ app, database: database ? name : null, role: role ? name : null, dryRun: true })
      output.say(role || database ? `${app} would be dropped.` : `There is nothing of ${app} to drop.`)
      return EXIT.ok
    }
    const { dropDatabase } = await import('@org/pg-tenant/admin')
    const dropped = await dropDatabase(pool, { app, confirm: app })
    output.document({ app, dropped })
    output.say(dropped ? `${app} is gone.` : `There was nothing of ${app} to drop.`)
    return EXIT.ok
  })
}
