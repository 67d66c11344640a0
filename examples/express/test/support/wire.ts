import { type Agent, request } from 'node:http'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Sends a request as it is: `fetch` would tidy up the path, and refuses headers. */
export function sendRaw(
  base: string,
  agent: Agent,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer | undefined,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const length: Record<string, string> = body ? { 'content-length': String(body.length) } : {}
    const sent = request(
      `${base}/`,
      { agent, method, path, headers: { ...headers, ...length } },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Percent-encoded; half a surrogate pair as the bytes it would have, which no decoder accepts. */
export function encoded(text: string): string {
  return Array.from(text, (unit) => (/^\p{Cs}$/u.test(unit) ? '%ED%A0%80' : encodeURIComponent(unit))).join(
    '',
  )
}
