import { usage } from '../cli-error.ts'
import { argument, type CommandModule } from '../command.ts'
import { completionScript } from '../completion/script.ts'
import { isShell, SHELLS } from '../completion/shells.ts'
import { EXIT } from '../exit-codes.ts'

export const completion: CommandModule = {
  arguments: [['<shell>', 'bash, zsh or fish']],
  examples: [
    ['source <(pg-tenant completion bash)', 'in ~/.bashrc; zsh the same'],
    ['pg-tenant completion fish > ~/.config/fish/completions/pg-tenant.fish', ''],
  ],
  async run({ io, catalogue }, args) {
    const shell = argument(args, 0)
    if (!isShell(shell)) throw usage(`There are scripts for ${SHELLS.join(', ')}.`)
    io.stdout.write(await completionScript(shell, catalogue, io))
    return EXIT.ok
  },
}
