package db

import "strings"

// constraint is how the violation of a named constraint is reported.
type constraint struct {
	kind   Kind
	code   string // stable, snake_case: part of the API
	detail string // a sentence for the user that says what to do
}

// constraints and defects are the one place that gives the names of schema.sql a
// meaning. A test compares them with the catalog of the migrated schema: they list
// every check, foreign key, exclusion and unique constraint or index, and nothing
// else. A primary key is listed only if a user can collide with it; the others hold
// ids that the program makes.
var constraints = map[string]constraint{
	"users_email_key":                    {Conflict, "email_taken", "There is already a user with this address."},
	"users_email_check":                  {Invalid, "email_invalid", "An address has 3 to 254 characters."},
	"users_name_check":                   {Invalid, "name_too_long", "A name has at most 200 characters."},
	"users_status_check":                 {Invalid, "status_invalid", "The status is active or disabled."},
	"roles_pkey":                         {Conflict, "role_taken", "There is already a role with this name."},
	"roles_name_check":                   {Invalid, "role_name_invalid", "A role's name begins with a lower-case letter and has at most 40 lower-case letters, digits, - and _."},
	"roles_description_check":            {Invalid, "description_too_long", "A description has at most 500 characters."},
	"user_roles_user_id_fkey":            {Missing, "user_missing", "There is no such user."},
	"user_roles_role_fkey":               {Missing, "role_missing", "There is no such role, or users still have it."},
	"sessions_user_id_fkey":              {Missing, "user_missing", "There is no such user."},
	"notices_user_id_fkey":               {Missing, "user_missing", "There is no such user."},
	"totp_user_id_fkey":                  {Missing, "user_missing", "There is no such user."},
	"one_time_tokens_user_id_fkey":       {Missing, "user_missing", "There is no such user."},
	"one_time_tokens_invited_by_fkey":    {Missing, "user_missing", "There is no such user."},
	"access_keys_user_id_fkey":           {Missing, "user_missing", "There is no such user."},
	"passkeys_credential_id_key":         {Conflict, "passkey_exists", "This passkey is known already."},
	"passkeys_user_id_fkey":              {Missing, "user_missing", "There is no such user."},
	"passkey_challenges_session_id_fkey": {Missing, "session_missing", "The session has ended."},
	"gate_hosts_host_key":                {Conflict, "host_taken", "This host is guarded already, maybe at another port."},
	"owners_user_id_fkey":                {Missing, "user_missing", "There is no such user."},
	"spaces_name_check":                  {Invalid, "name_too_long", "A name has 1 to 200 characters."},
	"space_members_space_id_fkey":        {Missing, "space_missing", "There is no such space."},
	"space_members_user_id_fkey":         {Missing, "user_missing", "There is no such user."},
	"trees_quota_check":                  {Invalid, "quota_invalid", "A quota is a number of bytes, 0 or more."},
	"trees_entry_quota_check":            {Invalid, "entry_quota_invalid", "An entry quota is a number of files and folders, 0 or more."},
	"items_parent_id_fkey":               {Missing, "parent_missing", "The folder does not exist, or is not empty."},
	"items_name_check":                   {Invalid, "item_invalid", "The item is not valid."},
	"items_name_key":                     {Conflict, "name_conflict", "Something in this folder already has this name; choose another."},
	"items_root_key":                     {Conflict, "root_exists", "The owner has a root folder already."},
	"uploads_owner_id_fkey":              {Missing, "tree_missing", "The owner of the files is gone."},
	"changes_owner_id_fkey":              {Missing, "tree_missing", "The owner of the files is gone."},
	"shares_item_id_fkey":                {Missing, "item_missing", "The file or folder is gone."},
	"shares_recipient_id_fkey":           {Missing, "user_missing", "There is no such user."},
	"shares_user_id_fkey":                {Missing, "user_missing", "There is no such user."},
	"share_downloads_share_id_fkey":      {Missing, "share_missing", "The share has ended."},
	"flags_key_check":                    {Invalid, "flag_key_invalid", "A flag's key has at most 100 letters, digits, dots, - and _."},
	"flags_description_check":            {Invalid, "description_too_long", "A description has at most 500 characters."},

	"portfolio_slugs_pkey":            {Conflict, "slug_taken", "Another project has, or had, this slug; choose another."},
	"portfolio_slugs_project_id_fkey": {Missing, "project_missing", "The project is gone."},
}

// defects are the constraints that no request can violate: if one is violated, the
// program is wrong, and the error has no kind.
var defects = strings.Fields(`
	sessions_rt_key_check sessions_user_agent_check sessions_revoked_check
	one_time_tokens_hash_key one_time_tokens_purpose_check access_keys_hash_key access_keys_hash_check
	passkeys_credential_id_check passkey_challenges_hash_key
	oidc_requests_id_key oidc_requests_client_id_fkey oidc_grants_code_hash_key oidc_grants_session_id_fkey oidc_grants_client_id_fkey
	gate_codes_host_id_fkey gate_codes_session_id_fkey
	owners_user_id_key owners_user_id_check owners_space_check spaces_id_fkey space_members_role_check
	trees_owner_id_fkey trees_used_check trees_reserved_check trees_versions_check
	items_owner_id_key items_kind_check items_size_check items_file_check items_root_check versions_item_id_fkey versions_size_check
	uploads_bytes_check uploads_state_check uploads_offset_check file_ops_kind_check changes_type_check
	shares_token_key shares_mode_check shares_recipient_key shares_recipient_check shares_role_check
	instance_singleton_check jobs_name_key audit_events_outcome_check limits_singleton_check
	portfolio_singleton_check portfolio_entries_kind_check portfolio_entries_status_check portfolio_messages_state_check`)
