package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Commands are what the operator does with users from a shell.
func (a *Auth) Commands() []db.Command {
	return []db.Command{
		{Name: "user create", Args: "EMAIL [--role ROLE] [--password-stdin]", Summary: "Make a user", Run: a.userCreate},
		{Name: "user list", Args: "[--json]", Summary: "List the users", Run: a.userList},
		{Name: "user password", Args: "EMAIL [--password-stdin]", Summary: "Set a user's password and end the user's sessions", Run: a.userPassword},
	}
}

func (a *Auth) userCreate(ctx context.Context, sh *db.Shell, args []string) error {
	flags, given := sh.Flags("user create"), ""
	role := flags.String("role", RoleMember, "what the user may do: a `ROLE` such as admin or member")
	stdin := flags.Bool("password-stdin", false, "read the password from standard input")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	email, err := parseEmail(given)
	if err != nil {
		return fmt.Errorf("%q is %w", given, err)
	}
	password, err := readPassword(ctx, sh, *stdin)
	if err != nil {
		return err
	}
	hash, err := a.HashPassword(ctx, email, password)
	if err != nil {
		return err
	}
	err = a.db.InTx(ctx, func(tx pgx.Tx) error {
		_, err := a.CreateUser(ctx, tx, NewUser{Email: email, PasswordHash: hash, Roles: []string{*role}})
		return err
	})
	if err != nil {
		return sentence(err)
	}
	_, err = fmt.Fprintf(sh.Stdout, "%s is now a user with the role %s.\n", email, *role)
	return err
}

func (a *Auth) userPassword(ctx context.Context, sh *db.Shell, args []string) error {
	flags, given := sh.Flags("user password"), ""
	stdin := flags.Bool("password-stdin", false, "read the password from standard input")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	u, err := a.UserByEmail(ctx, given)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no user %q; homebase user list shows who there is", given)
	}
	if err != nil {
		return err
	}
	password, err := readPassword(ctx, sh, *stdin)
	if err != nil {
		return err
	}
	hash, err := a.HashPassword(ctx, u.Email, password)
	if err != nil {
		return err
	}
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		if _, err := lockAccount(ctx, tx, u.ID); err != nil {
			return nothing, err
		}
		if err := addNotice(ctx, tx, u.ID, noticePasswordReset, Session{}); err != nil {
			return nothing, err
		}
		return staleUser(u.ID), a.setPassword(ctx, tx, u.ID, hash, uuid.Nil)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(sh.Stdout, "The password of %s is set and every session of theirs has ended.\n", u.Email)
	return err
}

// listedUser is a user as `user list` shows it.
type listedUser struct {
	User
	Roles []string `json:"roles"`
}

func (a *Auth) userList(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("user list")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	users, err := db.All(ctx, a.db, scanListedUser, `
-- name: auth.ListUsers
SELECT `+userColumns+`,
       ARRAY(SELECT role FROM user_roles WHERE user_id = u.id ORDER BY role)
  FROM users u
 ORDER BY u.id`)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(sh.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(users)
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "EMAIL\tROLES\tSTATUS\tCREATED\tID")
	for _, u := range users {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Email, strings.Join(u.Roles, ","), u.Status,
			u.CreatedAt.Format(time.DateOnly), u.ID)
	}
	return w.Flush()
}

func scanListedUser(row pgx.Row) (listedUser, error) {
	var u listedUser
	err := row.Scan(&u.ID, &u.Email, &u.Name, &u.Status, &u.Revision, &u.CreatedAt, &u.UpdatedAt, &u.Roles)
	u.CreatedAt, u.UpdatedAt = u.CreatedAt.UTC(), u.UpdatedAt.UTC()
	return u, err
}

// sentence is the constraint's own sentence where the database refused a row,
// for people who read it in a shell.
func sentence(err error) error {
	if e, ok := errors.AsType[*db.Error](err); ok && e.Detail != "" {
		return errors.New(e.Detail)
	}
	return err
}
