package db

// meaning is how a collision with what somebody else did is reported.
type meaning struct {
	code   string // stable, snake_case: part of the API
	detail string // a sentence for the user that says what to do
}

// constraints are the names of schema.sql whose violation has a meaning of its own
// for whoever asked. What any other foreign key refers to went away meanwhile. Any
// other constraint is one that routes check first: if it is violated, the program
// is wrong, and the error has no kind.
var constraints = map[string]meaning{
	"users_email_key":            {"email_taken", "There is already a user with this address."},
	"roles_pkey":                 {"role_taken", "There is already a role with this name."},
	"user_roles_role_fkey":       {"role_missing", "There is no such role, or users still have it."},
	"passkeys_credential_id_key": {"passkey_exists", "This passkey is known already."},
	"gate_hosts_host_key":        {"host_taken", "This host is guarded already, maybe at another port."},
	"items_parent_id_fkey":       {"parent_missing", "The folder does not exist, or is not empty."},
	"items_name_key":             {"name_conflict", "Something in this folder already has this name; choose another."},
	"portfolio_slugs_pkey":       {"slug_taken", "Another project has, or had, this slug; choose another."},
}
