import { expect } from 'vitest'
import type { Onboarded, World } from './world.ts'

export const USER_PASSWORD = 'another good password'

export interface Person {
  readonly id: string
  readonly email: string
  readonly token: string
  readonly refreshToken: string
}

/** Makes a user of the tenant, who chooses a password and is signed in. */
export async function person(world: World, { slug, token }: Onboarded, name: string): Promise<Person> {
  const email = `${name}@${slug}.example`
  const made = await world.send('POST', '/v1/users', { token, body: { email, name } })
  expect(made.status, made.text).toBe(201)
  const { user, invitation } = made.body.data
  const body = { token: invitation.token, password: USER_PASSWORD }
  const signedIn = await world.send('POST', '/v1/auth/invitation', { tenant: slug, body })
  expect(signedIn.status, signedIn.text).toBe(200)
  const { accessToken, refreshToken } = signedIn.body.data
  return { id: user.id, email, token: accessToken, refreshToken }
}

/** Makes a group that grants these actions to these people. */
export async function group(
  world: World,
  token: string,
  name: string,
  actions: readonly (string | { action: string; effect?: string; constraints?: object })[],
  people: readonly { readonly id: string }[] = [],
): Promise<string> {
  const made = await world.send('POST', '/v1/groups', { token, body: { name } })
  expect(made.status, made.text).toBe(201)
  const { id } = made.body.data
  for (const one of actions) {
    const body = typeof one === 'string' ? { action: one } : one
    const granted = await world.send('POST', `/v1/groups/${id}/permissions`, { token, body })
    expect(granted.status, granted.text).toBe(201)
  }
  for (const { id: userId } of people) {
    expect((await world.send('POST', `/v1/groups/${id}/users/${userId}`, { token })).status).toBe(204)
  }
  return id
}

/** Status and code of a refusal, to compare at once. */
export function refusal(answer: { status: number; body: { error?: { code: string } } | undefined }) {
  return [answer.status, answer.body?.error?.code]
}

/** The id of a group that every tenant begins with. */
export async function groupId(world: World, slug: string, name: string): Promise<string> {
  const { rows } = await world.root.query<{ id: string }>(
    `select id from c_${slug}."group" where name = $1`,
    [name],
  )
  return String(rows[0]?.id)
}
