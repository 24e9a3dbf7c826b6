package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (us *users) userCreate(ctx context.Context, sh *db.Shell, args []string) error {
	flags, given := sh.Flags("user create"), ""
	role := flags.String("role", RoleMember, "what the user may do: a `ROLE` such as admin or member")
	stdin := flags.Bool("password-stdin", false, "read the password from standard input")
	first := flags.Bool("first", false, "do nothing if there is a user already; generate a password unless one is given")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	email, err := parseEmail(given)
	if err != nil {
		return fmt.Errorf("%q is %w", given, err)
	}
	password, made := "", *first && !*stdin
	if made {
		password = rand.Text() // 130 bits
	} else if password, err = readPassword(ctx, sh, *stdin); err != nil {
		return err
	}
	hash, err := us.passwords.HashPassword(ctx, email, password)
	if err != nil {
		return err
	}
	err = us.db.InTx(ctx, func(tx pgx.Tx) error {
		if *first {
			if err := refuseSecond(ctx, tx); err != nil {
				return err
			}
		}
		_, err := us.CreateUser(ctx, tx, NewUser{Email: email, PasswordHash: hash, Roles: []string{*role}})
		return err
	})
	if errors.Is(err, errNotFirst) {
		_, err = fmt.Fprintln(sh.Stdout, "There are users already; none was created.")
		return err
	}
	if err != nil {
		return sentence(err)
	}
	_, err = fmt.Fprintf(sh.Stdout, "%s is now a user with the role %s.\n", email, *role)
	if err == nil && made {
		_, err = fmt.Fprintf(sh.Stdout, "The password is %s and will not be shown again.\n", password)
	}
	return err
}

var errNotFirst = errors.New("there are users already")

// refuseSecond is errNotFirst when there is a user. Two that ask at once do so
// one after the other.
func refuseSecond(ctx context.Context, tx pgx.Tx) error {
	_, err := db.Exec(ctx, tx, `
-- name: auth.LockInstance
SELECT singleton FROM instance FOR UPDATE`)
	if err != nil {
		return err
	}
	some, err := db.One(ctx, tx, db.Value[bool], `
-- name: auth.HasUsers
SELECT EXISTS (SELECT FROM users)`)
	if err == nil && some {
		err = errNotFirst
	}
	return err
}

// userNamed finds the user that a command is about.
func userNamed(ctx context.Context, q db.Querier, email string) (User, error) {
	u, err := userByEmail(ctx, q, email)
	if errors.Is(err, db.ErrNotFound) {
		return User{}, fmt.Errorf("there is no user %q; homebase user list shows who there is", email)
	}
	return u, err
}

func (us *users) userPassword(ctx context.Context, sh *db.Shell, args []string) error {
	flags, given := sh.Flags("user password"), ""
	stdin := flags.Bool("password-stdin", false, "read the password from standard input")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	u, err := userNamed(ctx, us.db, given)
	if err != nil {
		return err
	}
	password, err := readPassword(ctx, sh, *stdin)
	if err != nil {
		return err
	}
	hash, err := us.passwords.HashPassword(ctx, u.Email, password)
	if err != nil {
		return err
	}
	err = us.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		if _, err := lockAccount(ctx, tx, u.ID); err != nil {
			return nothing, err
		}
		if err := addNotice(ctx, tx, u.ID, noticePasswordReset, Session{}); err != nil {
			return nothing, err
		}
		return staleUser(u.ID), us.passwords.set(ctx, tx, u.ID, hash, uuid.Nil)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(sh.Stdout, "The password of %s is set, and all of their sessions have ended.\n", u.Email)
	return err
}

func (us *users) userList(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("user list")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	users, err := us.managed(ctx, `ORDER BY u.id`)
	if err != nil {
		return err
	}
	return printList(sh, *asJSON, users, "EMAIL\tROLES\tSTATUS\tCREATED\tID", func(u ManagedUser) []any {
		return []any{u.Email, strings.Join(u.Roles, ","), u.Status, u.CreatedAt.Format(time.DateOnly), u.ID}
	})
}

// printList prints a list as JSON, or as a table of rows under a header.
func printList[T any](sh *db.Shell, asJSON bool, list []T, header string, row func(T) []any) error {
	if asJSON {
		enc := json.NewEncoder(sh.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, v := range list {
		fmt.Fprintln(w, strings.TrimSuffix(fmt.Sprintf(strings.Repeat("%v\t", strings.Count(header, "\t")+1), row(v)...), "\t"))
	}
	return w.Flush()
}

// sentence is what a refusal tells people, for those who read it in a shell.
func sentence(err error) error {
	if e, ok := errors.AsType[*db.Error](err); ok && e.Detail != "" {
		return errors.New(e.Detail)
	}
	if p, ok := errors.AsType[*httpx.Problem](err); ok {
		for _, f := range p.Fields {
			return errors.New(f.Detail)
		}
		return errors.New(cmp.Or(p.Detail, p.Title))
	}
	return err
}
