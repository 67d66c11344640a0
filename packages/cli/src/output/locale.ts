import { ERROR_CODES, type ErrorCode, type Locale, messageFor } from '@org/core'
import type { CliErrorCode } from '../cli-error.ts'
import { EXIT, exitCodeOf } from '../exit-codes.ts'

/** The language of LC_ALL, LC_MESSAGES or LANG, in this order (POSIX, 8.2), e.g. `pt_BR.UTF-8`. */
export function localeOf(env: Readonly<Record<string, string | undefined>>): Locale {
  const language = (env.LC_ALL || env.LC_MESSAGES || env.LANG || '').split(/[_.@-]/)[0]?.toLowerCase()
  return language === 'pt' || language === 'es' ? language : 'en'
}

type Text = Readonly<Record<Locale, string>>

const CONFIGURATION: Text = {
  en: 'The configuration is not right.',
  pt: 'A configuração não está correta.',
  es: 'La configuración no es correcta.',
}
const CONNECTION: Text = {
  en: 'The database cannot be reached.',
  pt: 'O banco de dados não pode ser acessado.',
  es: 'No se puede acceder a la base de datos.',
}
const REFUSED: Text = {
  en: 'This is not possible as things stand.',
  pt: 'Isto não é possível no estado atual.',
  es: 'Esto no es posible en el estado actual.',
}

const OWN: Readonly<Record<CliErrorCode, Text>> = {
  USAGE: {
    en: 'The command line is not right.',
    pt: 'A linha de comando não está correta.',
    es: 'La línea de comandos no es correcta.',
  },
  CONFIGURATION,
  REFUSED,
  NOT_AVAILABLE: {
    en: 'This is not available here.',
    pt: 'Isto não está disponível aqui.',
    es: 'Esto no está disponible aquí.',
  },
  INTERRUPTED: { en: 'Stopped.', pt: 'Interrompido.', es: 'Interrumpido.' },
}

/** The one sentence under which an error is shown. The texts of the library are for clients: it says "on our side". */
export function headline(code: ErrorCode | CliErrorCode, locale: Locale): string {
  if (Object.hasOwn(OWN, code)) return OWN[code as CliErrorCode][locale]
  const known = code as ErrorCode
  if (exitCodeOf(known) === EXIT.configuration) return CONFIGURATION[locale]
  if (exitCodeOf(known) === EXIT.connection) return CONNECTION[locale]
  // Somebody at a terminal is told that something stands in the way; "please try again" would not help.
  if (['CONFLICT', 'STATEMENT_REFUSED', 'KEY_IN_USE'].includes(known)) return REFUSED[locale]
  const own = ERROR_CODES[known].status < 500 || known === 'UNKNOWN_OUTCOME' || known === 'TIMEOUT'
  if (own) return messageFor(known, locale)
  return FAILED[locale]
}

const FAILED: Text = { en: 'This failed.', pt: 'Isto falhou.', es: 'Esto falló.' }
