import { request } from 'node:http'

/** Where the API is, and the key its callers have: the site's own server. */
export interface Api {
  readonly port: number
  readonly siteKey: string
}

/** An answer of the API, as far as the demonstration looks at it. */
export interface Answer {
  readonly status: number
  readonly body: {
    readonly data?: unknown
    readonly error?: { readonly code: string }
  }
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly clientKey?: string
  /** a bearer token (default: the site's key); `null` for none */
  readonly token?: string | null
  readonly body?: object
}

/** Calls the API with fetch. */
export async function call(api: Api, { method = 'GET', body, ...ask }: Call): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${api.port}${ask.path}`, {
    method,
    headers: {
      ...headersOf(api, ask),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** Calls the API under a subdomain. fetch does not let its caller say `Host`, and not every system resolves `*.localhost`. */
export function callSubdomain(api: Api, subdomain: string, ask: Call): Promise<Answer> {
  const { port } = api
  const { path } = ask
  const headers = { Host: `${subdomain}.localhost:${port}`, ...headersOf(api, ask) }
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] })
    })
      .once('error', reject)
      .end()
  })
}

function headersOf({ siteKey }: Api, { clientKey, token = siteKey }: Call): Record<string, string> {
  return {
    ...(clientKey !== undefined && { 'X-Client-Key': clientKey }),
    ...(token !== null && { Authorization: `Bearer ${token}` }),
  }
}

/** `404 NOT_FOUND` */
export function summary({ status, body }: Answer): string {
  return body.error ? `${status} ${body.error.code}` : String(status)
}
