import type { Completable } from './shells.ts'

export function bash(commands: readonly Completable[], shared: Completable['flags']): string {
  const words = (flags: Completable['flags']) => flags.map(({ flag }) => flag).join(' ')
  const cases = commands.map(
    ({ name, words: first, flags }) => `    ${name}) options="${[...first, words(flags)].join(' ')}" ;;`,
  )
  const valued = [...shared, ...commands.flatMap(({ flags }) => flags)].filter(({ takesValue }) => takesValue)
  const waiting = [...new Set(valued.map(({ flag }) => flag))].join('|')
  return `# bash completion of pg-tenant: source <(pg-tenant completion bash)
_pg_tenant() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= options= word
  case $previous in
    ${waiting}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      ${commands.map(({ name }) => name).join('|')}) command=$word; break ;;
    esac
  done
  case $command in
    '') options="${commands.map(({ name }) => name).join(' ')}" ;;
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$options ${words(shared)}" -- "$current"))
}
complete -F _pg_tenant pg-tenant
`
}
