import type { Option } from 'commander'
import type { CatalogueEntry } from '../command.ts'
import type { Io } from '../io.ts'
import { declare, newProgram } from '../program.ts'
import { bash } from './bash.ts'
import { fish } from './fish.ts'
import type { Completable, Shell } from './shells.ts'
import { zsh } from './zsh.ts'

const WRITERS = { bash, zsh, fish } as const

/** The script for a shell: commands and options, from the same declarations as `--help`. */
export async function completionScript(
  shell: Shell,
  catalogue: readonly CatalogueEntry[],
  io: Io,
): Promise<string> {
  const program = newProgram(io)
  const commands: Completable[] = []
  for (const { name, summary, load } of catalogue) {
    const command = program.command(name)
    const module = await load()
    declare(command, module)
    commands.push({ name, summary, words: module.words ?? [], flags: flagsOf(command.options) })
  }
  return WRITERS[shell](commands, flagsOf(program.options))
}

function flagsOf(options: readonly Option[]): Completable['flags'] {
  return options.flatMap(({ long, description: text, required, optional }) =>
    long ? [{ flag: long, text, takesValue: required || optional }] : [],
  )
}
