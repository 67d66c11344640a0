-- Who made the invitation; nobody of the tenant when an operator did. Whoever holds it becomes the invited user, so it is
-- worth as much as its maker may give when it is accepted, not when it was made.
alter table user_credential
  add column invited_by_type text,
  add column invited_by_id uuid,
  add constraint ck_user_credential_invited_by check (
    num_nonnulls(invited_by_type, invited_by_id) in (0, 2) and invited_by_type in ('user', 'service')
  );
