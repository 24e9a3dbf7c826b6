package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (ak *accessKeys) commands() []db.Command {
	return []db.Command{
		{Name: "key create", Args: "EMAIL NAME --permissions LIST [--days N] [--allow LIST]", Summary: "create an access key for a user's script", Run: ak.keyCreate},
		{Name: "key list", Args: "[EMAIL] [--json]", Summary: "list access keys", Run: ak.keyList},
		{Name: "key revoke", Args: "ID", Summary: "revoke an access key", Run: ak.keyRevoke},
	}
}

func (ak *accessKeys) keyCreate(ctx context.Context, sh *db.Shell, args []string) error {
	flags, email := sh.Flags("key create"), ""
	var in NewKey
	permissions := flags.String("permissions", "", "what the key may do, a comma-separated `LIST` such as files:read,files:write")
	days := flags.Int("days", int(keyLifetime/(24*time.Hour)), "for how many `DAYS` the key is valid")
	allow := flags.String("allow", "", "addresses and CIDRs that the key may be used from, a comma-separated `LIST`")
	if err := flags.Parse(args, &email, &in.Name); err != nil {
		return err
	}
	u, err := userNamed(ctx, ak.db, email)
	if err != nil {
		return err
	}
	in.Permissions, in.Allow = words(*permissions), words(*allow)
	in.ExpiresAt = new(time.Now().AddDate(0, 0, *days))
	made, err := ak.make(ctx, u.ID, in)
	if err != nil {
		return sentence(err)
	}
	_, err = fmt.Fprintf(sh.Stdout, "The access key %q of %s is valid until %s. It will not be shown again:\n%s\n",
		made.Name, u.Email, made.ExpiresAt.Format(time.DateOnly), made.Secret)
	return err
}

// words reads a list with commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// ownedKey is a key as `key list` shows it.
type ownedKey struct {
	Key
	Owner string `json:"owner"` // the user's address
}

func scanOwnedKey(row pgx.Row) (k ownedKey, err error) {
	k.Key, err = scanKeyAnd(row, &k.Owner)
	return k, err
}

func (ak *accessKeys) keyList(ctx context.Context, sh *db.Shell, args []string) error {
	flags, email := sh.Flags("key list"), ""
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.ParseOptional(args, &email); err != nil {
		return err
	}
	owner := uuid.Nil
	if email != "" {
		u, err := userNamed(ctx, ak.db, email)
		if err != nil {
			return err
		}
		owner = u.ID
	}
	keys, err := db.All(ctx, ak.db, scanOwnedKey, `
-- name: auth.ListKeys
SELECT `+keyColumns+`, u.email
  FROM access_keys k JOIN users u ON u.id = k.user_id
 WHERE k.user_id = $1 OR $1 = $2
 ORDER BY k.id`, owner, uuid.Nil)
	if err != nil {
		return err
	}
	return printList(sh, *asJSON, keys, "OWNER\tNAME\tKEY\tPERMISSIONS\tEXPIRES\tLAST USED\tID", func(k ownedKey) []any {
		used := "never"
		if k.LastUsedAt != nil {
			used = k.LastUsedAt.Format(time.DateTime)
		}
		return []any{k.Owner, k.Name, k.Hint + "…", strings.Join(k.Permissions, ","), k.ExpiresAt.Format(time.DateOnly), used, k.ID}
	})
}

func (ak *accessKeys) keyRevoke(ctx context.Context, sh *db.Shell, args []string) error {
	given := ""
	if err := sh.Flags("key revoke").Parse(args, &given); err != nil {
		return err
	}
	id, err := uuid.Parse(given)
	if err != nil {
		return fmt.Errorf("%q is not the id of an access key; homebase key list shows them", given)
	}
	err = ak.revoke(ctx, id, operator)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no access key %s; homebase key list shows which there are", id)
	}
	if err == nil {
		_, err = fmt.Fprintln(sh.Stdout, "The access key is revoked.")
	}
	return err
}
