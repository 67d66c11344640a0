import {
  IDEMPOTENCY_RULES,
  type PersonalEvents,
  personalData,
  type TableRules,
  WEBHOOK_RULES,
} from '@org/governance/privacy'
import { EVENT_TYPES } from './events.ts'

type Rule = TableRules['columns'][string]
const kept = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'keep' as Rule]))
const aside = (...names: readonly string[]): TableRules => ({ columns: kept(...names) })
const TIMES = ['created_at', 'updated_at'] as const

/** Events tell ids, never people: their schemas (`events.ts`) have no other fields. */
const TOLD: PersonalEvents = Object.fromEntries(EVENT_TYPES.map((type) => [type, 'keep'] as const))

/** Which columns of a tenant say something of a person, and what becomes of them. Every column stands here; a test sees to it. */
export const PEOPLE = personalData(
  {
    user: {
      subject: 'id',
      columns: {
        ...kept('id', 'status', 'auth_provider', 'deleted_at', ...TIMES),
        email: 'email',
        name: 'text',
        suspended_reason: 'null',
      },
    },
    user_credential: {
      subject: 'user_id',
      delete: true,
      columns: kept(
        'user_id',
        'password_hash',
        'invitation_hash',
        'invitation_expires_at',
        'invited_by_type',
        'invited_by_id',
        ...TIMES,
      ),
    },
    ...IDEMPOTENCY_RULES,
    ...WEBHOOK_RULES,
    user_group: aside('user_id', 'group_id', 'created_at'),
    group: aside('id', 'name', 'description', 'status', 'suspended_reason', 'deleted_at', ...TIMES),
    group_permission: aside('id', 'group_id', 'tool_action', 'effect', 'constraints', ...TIMES),
    rbac_epoch: aside('one', 'epoch', 'administration', 'administered', 'updated_at'),
    api_key: aside(
      ...['id', 'key_id', 'name', 'env', 'profile', 'actions', 'hash', 'pepper_id', 'previous_hash'],
      ...['previous_pepper_id', 'previous_expires_at', 'status', 'suspended_reason', 'expires_at'],
      ...['last_used_at', ...TIMES],
    ),
    refresh_token_family: aside(
      ...['id', 'user_id', 'used_at', 'expires_at', 'revoked_at', 'revoked_reason', 'created_at'],
    ),
    refresh_token: aside(
      ...[
        'id',
        'hash',
        'family_id',
        'parent_id',
        'jti',
        'successor_salt',
        'issued_at',
        'expires_at',
        'rotated_at',
      ],
    ),
    denied_jti: aside('jti', 'expires_at', 'created_at'),
    app_settings: aside('key', 'value', 'updated_at'),
    tenant_branding: aside('one', 'logo_url', 'primary_color', 'secondary_color', 'domain', ...TIMES),
    tenant_config: aside('one', 'flags', 'limits', ...TIMES),
    integration_credential: aside('provider', 'name', 'sealed', 'expires_at', 'updated_at'),
  },
  { events: TOLD },
)
