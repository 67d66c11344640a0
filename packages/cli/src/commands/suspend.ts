import { argument, type CommandModule, DRY_RUN } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { requireTenant } from './require-tenant.ts'

interface Options {
  readonly reason?: string
  readonly dryRun?: boolean
}

export const suspend: CommandModule<Options> = {
  arguments: [['<key>', 'the tenant']],
  options: [{ flags: '--reason <text>', text: 'kept in the registry, not told to the tenant' }, DRY_RUN],
  examples: [
    ['pg-tenant suspend acme --reason "invoice 42"', 'no scope of it opens from now on, in any process'],
  ],
  async run({ connect, output }, args, { reason, dryRun = false }) {
    const key = argument(args, 0)
    const { tenancy } = await connect()
    const changed = dryRun
      ? (await requireTenant(tenancy, key)).status === 'active'
      : await tenancy.suspend(key, reason)
    output.document({ tenant: key, status: 'suspended', changed, dryRun })
    if (!changed) output.say(`${key} is not in service already.`)
    else output.say(dryRun ? `${key} would be suspended.` : `${key} is suspended.`)
    return EXIT.ok
  },
}
