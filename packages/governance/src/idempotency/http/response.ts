import { type Answer, decodeAnswer, tooLong } from './answer.ts'

/**
 * @internal Reads a stream to its end: what it says is only known then.
 * @returns what it said, and a response that says it again
 */
export async function readResponse(
  { status, statusText, headers, body: stream }: Response,
  limit: number,
): Promise<{ readonly answer: Answer; readonly response: Response }> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream ?? []) {
    size += chunk.length
    if (size > limit) throw tooLong(limit)
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  return {
    answer: { status, headers: [...headers], body },
    response: new Response(stream === null ? null : body, { status, statusText, headers }),
  }
}

/** @internal What was kept, as a response. */
export function responseOf(text: string): Response {
  const { status, headers, body } = decodeAnswer(text)
  const bodiless = status === 204 || status === 205 || status === 304
  return new Response(bodiless ? null : Buffer.from(body), {
    status,
    headers: headers.map(([...pair]) => pair),
  })
}
