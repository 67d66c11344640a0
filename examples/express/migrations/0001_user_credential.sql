-- How a user proves who they are: a password, or before there is one an invitation. Both are stored hashed.
create table user_credential (
  user_id uuid constraint pk_user_credential primary key
    constraint fk_user_credential_user_id references "user" on delete cascade,
  password_hash text,
  invitation_hash bytea,
  invitation_expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint ck_user_credential_invitation check (num_nonnulls(invitation_hash, invitation_expires_at) in (0, 2))
);
create unique index idx_user_credential_invitation_hash on user_credential (invitation_hash);
