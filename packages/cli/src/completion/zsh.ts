import type { Completable } from './shells.ts'

export function zsh(commands: readonly Completable[], shared: Completable['flags']): string {
  const list = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`)
  const cases = commands.map(
    ({ name, words, flags }) =>
      `    ${name}) _arguments ${specs(flags)} $shared ${firstOf(words)}'*:argument:_default' ;;`,
  )
  return `#compdef pg-tenant
# zsh completion of pg-tenant: source <(pg-tenant completion zsh)
_pg_tenant() {
  local -a commands shared
  commands=(
${list.join('\n')}
  )
  shared=(${specs(shared)})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  words=("\${(@)words[2,-1]}")
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _pg_tenant pg-tenant
`
}

/** zsh says `1:message:(words)` for the first argument. */
const firstOf = (words: readonly string[]): string =>
  words.length > 0 ? `'1:action:(${words.join(' ')})' ` : ''

const specs = (flags: Completable['flags']): string =>
  flags
    .map(({ flag, text, takesValue }) => `'${flag}[${quoted(text)}]${takesValue ? ':value:_default' : ''}'`)
    .join(' ')

/** Inside single quotes, and inside the brackets and colons of a specification. */
const quoted = (text: string): string => text.replaceAll("'", "'\\''").replace(/[[\]:\\]/g, '\\$&')
