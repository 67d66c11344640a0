// The API as whoever signed in. Tokens are kept in this page's memory only: closing it signs out.

let tokens
let renewing

/** A refusal, with what the API says about it. */
export class Refusal extends Error {
  constructor(status, { code, message, details } = {}) {
    super(message ?? `The hub answered ${status}.`)
    this.code = code
    this.details = details ?? {}
  }
}

async function send(method, path, { body, token, tenant } = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(tenant && { 'X-Client-Key': tenant }),
    },
    body: body && JSON.stringify(body),
  })
  const answer = response.status === 204 ? {} : await response.json()
  if (!response.ok) throw new Refusal(response.status, answer.error)
  return answer
}

/** Operators are users of the tenant `platform`. */
export async function signIn(how, body) {
  tokens = (await send('POST', `/v1/auth/${how}`, { tenant: 'platform', body })).data
}

export async function signOut() {
  const { refreshToken } = tokens ?? {}
  tokens = undefined
  if (refreshToken) await send('POST', '/v1/auth/logout', { tenant: 'platform', body: { refreshToken } })
}

/** Asks the API; an access token that has run out is renewed once, also when several ask at a time. */
export async function ask(method, path, body) {
  try {
    return await send(method, path, { body, token: tokens?.accessToken })
  } catch (error) {
    if (error.code !== 'TOKEN_EXPIRED') throw error
  }
  renewing ??= signIn('refresh', { refreshToken: tokens.refreshToken }).finally(() => {
    renewing = undefined
  })
  await renewing
  return await send(method, path, { body, token: tokens.accessToken })
}
