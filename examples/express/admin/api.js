// The API as whoever signed in. The access token is kept in this page's memory only; the refresh token, which is good once, in this
// tab's session storage, so that a reload goes on. Closing the tab signs out.

const KEPT = 'hub.refreshToken'
let accessToken
let renewing
let ended = () => {}

/** A refusal, with what the API says about it. */
export class Refusal extends Error {
  constructor(message, { code, details } = {}) {
    super(message)
    this.code = code
    this.details = details ?? {}
  }
}

/** Called when the login is over: signed out elsewhere, revoked, or too old. */
export function onEnded(callback) {
  ended = callback
}

async function send(method, path, { body, token, tenant, once } = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(tenant && { 'X-Client-Key': tenant }),
      ...(once && { 'Idempotency-Key': once }),
    },
    body: body && JSON.stringify(body),
  }).catch(() => {
    throw new Refusal('The hub does not answer. Nothing is known to have changed; try again in a moment.', {
      code: 'UNREACHABLE',
    })
  })
  if (response.status === 204) return {}
  // What stands between (a proxy, a gateway) may answer in another language than JSON.
  const answer = await response.json().catch(() => undefined)
  if (response.ok && answer) return answer
  const { error } = answer ?? {}
  throw new Refusal(error?.message ?? `The hub is not there: what answered said ${response.status}.`, error)
}

/** Operators are users of the tenant `platform`. */
export async function signIn(how, body) {
  const { data } = await send('POST', `/v1/auth/${how}`, { tenant: 'platform', body })
  accessToken = data.accessToken
  sessionStorage.setItem(KEPT, data.refreshToken)
}

/** Whether there was a login to go on with. */
export async function resume() {
  if (sessionStorage.getItem(KEPT) === null) return false
  await renew()
  return true
}

/** Here at once: whoever leaves has left, also where the hub cannot be told. */
export async function signOut() {
  const refreshToken = sessionStorage.getItem(KEPT)
  sessionStorage.removeItem(KEPT)
  accessToken = undefined
  if (refreshToken) await send('POST', '/v1/auth/logout', { tenant: 'platform', body: { refreshToken } })
}

/** Once, also when several ask at a time: the token before is worth nothing afterwards. */
function renew() {
  renewing ??= signIn('refresh', { refreshToken: sessionStorage.getItem(KEPT) })
    .catch((error) => {
      if (error.code !== 'INVALID_TOKEN' && error.code !== 'TOKEN_EXPIRED') throw error
      sessionStorage.removeItem(KEPT)
      accessToken = undefined
      ended()
      throw new Refusal('Your login has ended. Sign in again.')
    })
    .finally(() => {
      renewing = undefined
    })
  return renewing
}

/** Asks the API; an access token that has run out is renewed. `once`: an `Idempotency-Key`, for what makes something. */
export async function ask(method, path, body, once) {
  try {
    return await send(method, path, { body, token: accessToken, once })
  } catch (error) {
    if (error.code !== 'TOKEN_EXPIRED') throw error
  }
  await renew()
  return await send(method, path, { body, token: accessToken, once })
}

/** All pages of a list. */
export async function everything(path) {
  const { data, meta } = await ask('GET', path)
  if (!meta?.hasMore) return data
  const next = new URL(path, location.origin)
  next.searchParams.set('cursor', meta.nextCursor)
  return [...data, ...(await everything(`${next.pathname}${next.search}`))]
}
