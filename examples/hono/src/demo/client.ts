import { request } from 'node:http'

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
  readonly body?: object
}

/** Calls the API with fetch. */
export async function call(port: number, { method = 'GET', path, clientKey, body }: Call): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(clientKey !== undefined && { 'X-Client-Key': clientKey }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** Calls the API under a subdomain. fetch does not let its caller say `Host`, and not every system resolves `*.localhost`. */
export function callSubdomain(port: number, subdomain: string, { path, clientKey }: Call): Promise<Answer> {
  const headers = {
    Host: `${subdomain}.localhost:${port}`,
    ...(clientKey !== undefined && { 'X-Client-Key': clientKey }),
  }
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

/** `404 NOT_FOUND` */
export function summary({ status, body }: Answer): string {
  return body.error ? `${status} ${body.error.code}` : String(status)
}
