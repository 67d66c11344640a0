import type { Locale } from '@org/core'

/** The same sentence in each language. */
export type Sentence = Readonly<Record<Locale, string>>

/** Every link of a decision, held or missing. Names in braces are filled in: keys, groups, fields; never values. */
const TEXTS = {
  ACTION_KNOWN: say(
    'The catalogue has the action {action}.',
    'O catálogo contém a ação {action}.',
    'El catálogo contiene la acción {action}.',
  ),
  ACTION_UNKNOWN: say(
    'The catalogue has no action {action}. Check its spelling, or whether it was removed.',
    'O catálogo não contém a ação {action}. Verifique a grafia ou se ela foi removida.',
    'El catálogo no contiene la acción {action}. Compruebe cómo está escrita o si fue eliminada.',
  ),
  TENANT_ACTIVE: say('The tenant is active.', 'O cliente está ativo.', 'El cliente está activo.'),
  TENANT_NOT_ACTIVE: say(
    'The tenant is not active: its status is {status}.',
    'O cliente não está ativo: o status é {status}.',
    'El cliente no está activo: su estado es {status}.',
  ),
  ACTOR_ACTIVE: say('The account is active.', 'A conta está ativa.', 'La cuenta está activa.'),
  ACTOR_SUSPENDED: say(
    'The account is suspended, or there is none.',
    'A conta está suspensa ou não existe.',
    'La cuenta está suspendida o no existe.',
  ),
  PACKAGE_ENTITLES: say(
    'The package {package} includes the action.',
    'O pacote {package} inclui a ação.',
    'El paquete {package} incluye la acción.',
  ),
  PACKAGE_ENTITLES_UNTIL: say(
    'The package {package} includes the action until {at}.',
    'O pacote {package} inclui a ação até {at}.',
    'El paquete {package} incluye la acción hasta {at}.',
  ),
  PACKAGE_EXPIRED: say(
    'The package {package} includes the action, but it expired at {at}. Renew it.',
    'O pacote {package} inclui a ação, mas expirou em {at}. Renove-o.',
    'El paquete {package} incluye la acción, pero caducó el {at}. Renuévelo.',
  ),
  PACKAGE_NOT_STARTED: say(
    'The package {package} includes the action, but it begins only at {at}.',
    'O pacote {package} inclui a ação, mas só começa em {at}.',
    'El paquete {package} incluye la acción, pero empieza el {at}.',
  ),
  PACKAGE_SUSPENDED: say(
    'The package {package} includes the action, but it is suspended.',
    'O pacote {package} inclui a ação, mas está suspenso.',
    'El paquete {package} incluye la acción, pero está suspendido.',
  ),
  PACKAGE_MISSING: say(
    'No package of the tenant includes the action. These do: {packages}.',
    'Nenhum pacote do cliente inclui a ação. Estes a incluem: {packages}.',
    'Ningún paquete del cliente incluye la acción. Estos sí: {packages}.',
  ),
  PACKAGE_NONE: say(
    'No package at all includes the action. Add it to one, or allow it to this tenant by an override.',
    'Nenhum pacote inclui a ação. Inclua-a em um, ou permita-a a este cliente com uma exceção.',
    'Ningún paquete incluye la acción. Añádala a uno, o permítala a este cliente con una excepción.',
  ),
  OVERRIDE_ALLOWS: say(
    'An override for this tenant allows {target}.',
    'Uma exceção deste cliente permite {target}.',
    'Una excepción de este cliente permite {target}.',
  ),
  OVERRIDE_DENIES: say(
    'An override for this tenant denies {target}, whatever its packages include.',
    'Uma exceção deste cliente nega {target}, seja qual for o pacote.',
    'Una excepción de este cliente deniega {target}, sea cual sea el paquete.',
  ),
  GROUP_GRANTS: say(
    'The group {holder} grants {grant}.',
    'O grupo {holder} concede {grant}.',
    'El grupo {holder} concede {grant}.',
  ),
  GROUP_DENIES: say(
    'The group {holder} denies {grant}; a deny wins over every grant.',
    'O grupo {holder} nega {grant}; uma negação prevalece sobre qualquer concessão.',
    'El grupo {holder} deniega {grant}; una denegación prevalece sobre cualquier concesión.',
  ),
  GROUP_SUSPENDED: say(
    'The group {holder} grants {grant}, but the group is suspended.',
    'O grupo {holder} concede {grant}, mas está suspenso.',
    'El grupo {holder} concede {grant}, pero está suspendido.',
  ),
  GROUP_MISSING: say(
    'None of the groups of this user grants the action: {groups}.',
    'Nenhum dos grupos deste usuário concede a ação: {groups}.',
    'Ninguno de los grupos de este usuario concede la acción: {groups}.',
  ),
  NO_GROUP: say(
    'The user is in no group.',
    'O usuário não está em nenhum grupo.',
    'El usuario no está en ningún grupo.',
  ),
  KEY_GRANTS: say(
    'The key {holder} grants {grant}.',
    'A chave {holder} concede {grant}.',
    'La clave {holder} concede {grant}.',
  ),
  KEY_DENIES: say(
    'The key {holder} denies {grant}; a deny wins over every grant.',
    'A chave {holder} nega {grant}; uma negação prevalece sobre qualquer concessão.',
    'La clave {holder} deniega {grant}; una denegación prevalece sobre cualquier concesión.',
  ),
  KEY_SUSPENDED: say(
    'The key {holder} is suspended.',
    'A chave {holder} está suspensa.',
    'La clave {holder} está suspendida.',
  ),
  KEY_EXPIRED: say(
    'The key {holder} expired at {at}. Rotate it.',
    'A chave {holder} expirou em {at}. Renove-a.',
    'La clave {holder} caducó el {at}. Renuévela.',
  ),
  KEY_MISSING: say(
    'The key {holder} does not grant the action.',
    'A chave {holder} não concede a ação.',
    'La clave {holder} no concede la acción.',
  ),
  PROFILE_GRANTS: say(
    'The key {holder} has the profile {profile}, which includes actions of the kind {kind}.',
    'A chave {holder} tem o perfil {profile}, que inclui ações do tipo {kind}.',
    'La clave {holder} tiene el perfil {profile}, que incluye acciones del tipo {kind}.',
  ),
  PROFILE_LACKS: say(
    'The key {holder} has the profile {profile}, which does not include actions of the kind {kind}.',
    'A chave {holder} tem o perfil {profile}, que não inclui ações do tipo {kind}.',
    'La clave {holder} tiene el perfil {profile}, que no incluye acciones del tipo {kind}.',
  ),
  CONSTRAINT_HOLDS: say(
    'The record meets the constraint of {holder}.',
    'O registro atende à restrição de {holder}.',
    'El registro cumple la restricción de {holder}.',
  ),
  RECORD_NEEDED: say(
    '{holder} grants it on some records only, and no record was given. Fields it looks at: {fields}.',
    '{holder} concede somente para alguns registros, e nenhum foi informado. Campos considerados: {fields}.',
    '{holder} lo concede solo para algunos registros, y no se indicó ninguno. Campos considerados: {fields}.',
  ),
  CONSTRAINT_FAILS: say(
    'The record does not meet the constraint of {holder}. Look at: {fields}.',
    'O registro não atende à restrição de {holder}. Verifique: {fields}.',
    'El registro no cumple la restricción de {holder}. Compruebe: {fields}.',
  ),
  CONSTRAINT_UNREADABLE: say(
    'The constraint of {holder} cannot be read ({problem}), so it permits nothing. Correct it.',
    'A restrição de {holder} não pode ser lida ({problem}) e por isso não permite nada. Corrija-a.',
    'La restricción de {holder} no se puede leer ({problem}), así que no permite nada. Corríjala.',
  ),
  DENY_UNREADABLE: say(
    'The constraint of a deny of {holder} cannot be read ({problem}), so it denies everything. Correct it.',
    'A restrição de uma negação de {holder} não pode ser lida ({problem}) e por isso nega tudo. Corrija-a.',
    'La restricción de una denegación de {holder} no se puede leer ({problem}), así que deniega todo. Corríjala.',
  ),
  DENY_APPLIES: say(
    '{holder} denies it on this record, or the record lacks what would tell. Look at: {fields}.',
    '{holder} nega para este registro, ou faltam dados para decidir. Verifique: {fields}.',
    '{holder} lo deniega para este registro, o faltan datos para decidirlo. Compruebe: {fields}.',
  ),
  LIMIT_OF_PLAN: say(
    'The plan {plan} sets {limit} to {value}.',
    'O plano {plan} define {limit} como {value}.',
    'El plan {plan} fija {limit} en {value}.',
  ),
  LIMIT_OF_TENANT: say(
    'The tenant has its own {limit}: {value}.',
    'O cliente tem seu próprio {limit}: {value}.',
    'El cliente tiene su propio {limit}: {value}.',
  ),
  LIMIT_NOT_SET: say(
    'Nothing sets {limit}, so it is 0. Give the tenant a plan, or a limit of its own.',
    'Nada define {limit}, portanto é 0. Atribua um plano ao cliente, ou um limite próprio.',
    'Nada fija {limit}, por lo que es 0. Asigne un plan al cliente, o un límite propio.',
  ),
} as const satisfies Record<string, Sentence>

/** What a link of a decision says; stable, for programs. */
export type Reason = keyof typeof TEXTS

/** The sentences of a reason, with the names filled in. */
export function sentenceOf(reason: Reason, names: Readonly<Record<string, string>>): Sentence {
  const text = TEXTS[reason]
  const fill = (template: string) =>
    template.replace(
      /\{([a-z]+)\}/g,
      (_, name: string) => (Object.hasOwn(names, name) ? names[name] : '') || '–',
    )
  return { en: fill(text.en), pt: fill(text.pt), es: fill(text.es) }
}

function say(en: string, pt: string, es: string): Sentence {
  return { en, pt, es }
}
