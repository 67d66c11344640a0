/**
 * The closed set of codes: what went wrong, the HTTP status it becomes, and what a person is told, in English,
 * Portuguese and Spanish. The texts are safe to show to anyone: no SQL, no names, no values.
 */
export const ERROR_CODES = {
  // Requests (HTTP surface)
  VALIDATION_ERROR: say(
    400,
    'The request is not valid.',
    'A requisição é inválida.',
    'La solicitud no es válida.',
  ),
  INVALID_TENANT_KEY: say(
    400,
    'The tenant identifier is not valid.',
    'O identificador do cliente é inválido.',
    'El identificador del cliente no es válido.',
  ),
  TENANT_MISMATCH: say(
    400,
    'The request names two different tenants.',
    'A requisição indica dois clientes diferentes.',
    'La solicitud indica dos clientes diferentes.',
  ),
  UNAUTHORIZED: say(401, 'Please sign in.', 'Faça login para continuar.', 'Inicie sesión para continuar.'),
  INVALID_TOKEN: say(401, 'The token is not valid.', 'O token é inválido.', 'El token no es válido.'),
  TOKEN_EXPIRED: say(401, 'The token has expired.', 'O token expirou.', 'El token ha caducado.'),
  TENANT_NOT_FOUND: say(401, 'Unknown tenant.', 'Cliente desconhecido.', 'Cliente desconocido.'),
  TENANT_SUSPENDED: say(
    403,
    'This tenant is suspended.',
    'Este cliente está suspenso.',
    'Este cliente está suspendido.',
  ),
  FORBIDDEN_ACTION: say(
    403,
    'You may not do this.',
    'Você não tem permissão para isto.',
    'No tiene permiso para hacer esto.',
  ),
  NOT_FOUND: say(404, 'Not found.', 'Não encontrado.', 'No encontrado.'),
  METHOD_NOT_ALLOWED: say(
    405,
    'This cannot be done here.',
    'Isto não pode ser feito aqui.',
    'Esto no se puede hacer aquí.',
  ),
  CONFLICT: say(
    409,
    'The data changed meanwhile or is still in use. Please try again.',
    'Os dados mudaram ou estão em uso. Tente novamente.',
    'Los datos cambiaron o están en uso. Inténtelo de nuevo.',
  ),
  DUPLICATE_RESOURCE: say(409, 'This already exists.', 'Isto já existe.', 'Esto ya existe.'),
  IDEMPOTENCY_KEY_REUSED: say(
    422,
    'This idempotency key was used for another request.',
    'Esta chave de idempotência já foi usada em outra requisição.',
    'Esta clave de idempotencia ya se usó en otra solicitud.',
  ),
  QUOTA_EXCEEDED: say(
    403,
    'The limit of your plan is reached.',
    'O limite do seu plano foi atingido.',
    'Se alcanzó el límite de su plan.',
  ),
  RATE_LIMITED: say(
    429,
    'Too many requests. Please wait.',
    'Muitas requisições. Aguarde um momento.',
    'Demasiadas solicitudes. Espere un momento.',
  ),
  INTERNAL_ERROR: internal(500),
  DATABASE_ERROR: internal(500),
  SERVICE_UNAVAILABLE: unavailable(503),

  // Set-up: the program using the library is mistaken
  INVALID_OPTION: internal(500),
  NO_TENANT_CONTEXT: internal(500),
  MIGRATION_FAILED: internal(500),

  // Secrets and keys
  KEY_INVALID: internal(500),
  KEY_MISSING: internal(500),
  KEY_IN_USE: internal(500),
  KEY_SERVICE_UNAVAILABLE: unavailable(503),
  ENVELOPE_UNREADABLE: internal(500),

  // Opening a scope
  SCHEMA_MISSING: unavailable(503),
  SCHEMA_UNUSABLE: unavailable(503),
  POOL_EXHAUSTED: unavailable(503),
  CONNECTION_LOST: unavailable(503),

  // Inside a scope
  CROSS_TENANT: internal(500),
  SCOPE_ENDED: internal(500),
  SCOPE_BUSY: internal(500),
  SCOPE_FAILED: internal(500),
  SCOPE_ESCAPED: internal(500),
  STATEMENT_REFUSED: internal(500),
  QUERY_NOT_AWAITED: internal(500),
  SILENT_ROLLBACK: internal(500),
  RESULT_UNREADABLE: internal(500),

  // How a scope ends
  TIMEOUT: say(
    503,
    'This took too long. Please try again.',
    'A operação demorou demais. Tente novamente.',
    'La operación tardó demasiado. Inténtelo de nuevo.',
  ),
  ABORTED: say(
    499,
    'The request was cancelled.',
    'A requisição foi cancelada.',
    'La solicitud fue cancelada.',
  ),
  UNKNOWN_OUTCOME: say(
    500,
    'We could not confirm whether this was saved. Please check before trying again.',
    'Não foi possível confirmar se os dados foram salvos. Verifique antes de tentar novamente.',
    'No pudimos confirmar si los datos se guardaron. Compruébelo antes de intentarlo de nuevo.',
  ),
} as const satisfies Record<string, ErrorCodeEntry>

/** What can go wrong; see {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** The languages of the messages for people. */
export type Locale = 'en' | 'pt' | 'es'

interface ErrorCodeEntry {
  readonly status: number
  readonly text: Readonly<Record<Locale, string>>
}

function say(status: number, en: string, pt: string, es: string): ErrorCodeEntry {
  return { status, text: { en, pt, es } }
}

function internal(status: number): ErrorCodeEntry {
  return say(
    status,
    'Something went wrong on our side.',
    'Ocorreu um erro do nosso lado.',
    'Se produjo un error de nuestro lado.',
  )
}

function unavailable(status: number): ErrorCodeEntry {
  return say(
    status,
    'The service is not available right now. Please try again.',
    'O serviço está indisponível no momento. Tente novamente.',
    'El servicio no está disponible en este momento. Inténtelo de nuevo.',
  )
}
