import type { Completable } from './shells.ts'

export function fish(commands: readonly Completable[], shared: Completable['flags']): string {
  const names = commands.map(({ name }) => name).join(' ')
  const lines = [
    '# fish completion of pg-tenant',
    'complete -c pg-tenant -f',
    ...commands.map(
      ({ name, summary }) =>
        `complete -c pg-tenant -n 'not __fish_seen_subcommand_from ${names}' -a ${name} -d ${quoted(summary)}`,
    ),
    ...commands
      .filter(({ words }) => words.length > 0)
      .map(
        ({ name, words }) =>
          `complete -c pg-tenant -n '__fish_seen_subcommand_from ${name}' -a ${quoted(words.join(' '))}`,
      ),
    ...shared.map((flag) => optionLine(flag, '')),
    ...commands.flatMap(({ name, flags }) =>
      flags.map((flag) => optionLine(flag, ` -n '__fish_seen_subcommand_from ${name}'`)),
    ),
  ]
  return `${lines.join('\n')}\n`
}

function optionLine({ flag, text, takesValue }: Completable['flags'][number], when: string): string {
  return `complete -c pg-tenant${when} -l ${flag.slice(2)}${takesValue ? ' -r -F' : ''} -d ${quoted(text)}`
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
