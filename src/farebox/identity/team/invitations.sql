-- name: make_invitation
INSERT INTO invitation (workspace_id, invitation_id, email, role, token_hash, invited_by, created_at, expires_at)
VALUES (%(workspace_id)s, %(invitation_id)s, %(email)s, %(role)s, %(token_hash)s, %(invited_by)s, %(now_micros)s,
        %(expires_at)s);

-- name: renew_invitation
UPDATE invitation SET token_hash = %(token_hash)s, expires_at = %(expires_at)s
 WHERE workspace_id = %(workspace_id)s AND invitation_id = %(invitation_id)s
   AND accepted_at IS NULL AND withdrawn_at IS NULL;

-- name: withdraw_invitation
UPDATE invitation SET withdrawn_at = %(now_micros)s
 WHERE workspace_id = %(workspace_id)s AND invitation_id = %(invitation_id)s
   AND accepted_at IS NULL AND withdrawn_at IS NULL;

-- name: accept_invitation
UPDATE invitation SET accepted_at = %(now_micros)s, accepted_by = %(person_id)s
 WHERE workspace_id = %(workspace_id)s AND invitation_id = %(invitation_id)s
   AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > %(now_micros)s;

-- name: list_invitations
-- Those that nobody has accepted or withdrawn, expired ones too: of one workspace, by one inviter, or to one address.
SELECT i.workspace_id, w.name, i.invitation_id, i.email, i.role, i.invited_by, i.created_at, i.expires_at
  FROM invitation i JOIN workspace w USING (workspace_id)
 WHERE i.workspace_id = %(workspace_id)s AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
   AND (%(invitation_id)s::bigint IS NULL OR i.invitation_id = %(invitation_id)s)
   AND (%(invited_by)s::text IS NULL OR i.invited_by = %(invited_by)s)
   AND (%(email)s::text IS NULL OR i.email = %(email)s)
 ORDER BY i.created_at DESC, i.invitation_id LIMIT %(most)s;

-- name: invitations_to
SELECT i.workspace_id, w.name, i.invitation_id, i.email, i.role, i.invited_by, i.created_at, i.expires_at
  FROM invitation i JOIN workspace w USING (workspace_id)
 WHERE i.email = ANY (%(emails)s) AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
   AND i.expires_at > %(now_micros)s
 ORDER BY i.created_at DESC, i.invitation_id LIMIT %(most)s;

-- name: find_invitation
-- By a unique index; what was accepted or withdrawn, or has expired, is as if there were none.
SELECT i.workspace_id, w.name, i.invitation_id, i.email, i.role, i.invited_by, i.created_at, i.expires_at
  FROM invitation i JOIN workspace w USING (workspace_id)
 WHERE i.token_hash = %(token_hash)s AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
   AND i.expires_at > %(now_micros)s;
