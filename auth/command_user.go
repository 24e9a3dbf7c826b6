package auth

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"
)

func (us *users) commands() []db.Command {
	return []db.Command{
		{Name: "user create", Args: "EMAIL [--role ROLE] [--first] [--password-stdin]", Summary: "create a user", Run: us.userCreate},
		{Name: "user list", Args: "[--json]", Summary: "list the users", Run: us.userList},
		{Name: "user password", Args: "EMAIL [--password-stdin]", Summary: "set a user's password and end the user's sessions", Run: us.userPassword},
		{Name: "user disable", Args: "EMAIL", Summary: "lock a user out; sessions end and access keys stop working", Run: us.userStatus("disable", statusDisabled)},
		{Name: "user enable", Args: "EMAIL", Summary: "let a disabled user back in", Run: us.userStatus("enable", statusActive)},
		{Name: "user role", Args: "EMAIL ROLE,…", Summary: "set the roles of a user", Run: us.userRole},
		{Name: "user quota", Args: "EMAIL SIZE|default", Summary: "set how much a user may store", Run: us.userQuota},
		{Name: "user sessions", Args: "EMAIL [--end] [--json]", Summary: "list or end the sessions of a user", Run: us.userSessions},
	}
}

// patchNamed changes the user that a command is about and says so.
func (us *users) patchNamed(ctx context.Context, sh *db.Shell, email string, p UserPatch, done string) error {
	u, err := userNamed(ctx, us.db, email)
	if err != nil {
		return err
	}
	if err := us.update(ctx, operator, u.ID, p, nil); err != nil {
		return sentence(err)
	}
	_, err = fmt.Fprintf(sh.Stdout, "%s %s now.\n", u.Email, done)
	return err
}

func (us *users) userStatus(verb, status string) func(context.Context, *db.Shell, []string) error {
	return func(ctx context.Context, sh *db.Shell, args []string) error {
		email := ""
		if err := sh.Flags("user "+verb).Parse(args, &email); err != nil {
			return err
		}
		return us.patchNamed(ctx, sh, email, UserPatch{Status: httpx.Optional[string]{Set: true, Value: status}}, "is "+status)
	}
}

func (us *users) userRole(ctx context.Context, sh *db.Shell, args []string) error {
	email, roles := "", ""
	if err := sh.Flags("user role").Parse(args, &email, &roles); err != nil {
		return err
	}
	return us.patchNamed(ctx, sh, email, UserPatch{Roles: httpx.Optional[[]string]{Set: true, Value: words(roles)}}, "has the roles "+roles)
}

func (us *users) userQuota(ctx context.Context, sh *db.Shell, args []string) (err error) {
	email, size := "", ""
	if err := sh.Flags("user quota").Parse(args, &email, &size); err != nil {
		return err
	}
	quota := httpx.Optional[int64]{Set: true, Null: size == "default"}
	if !quota.Null {
		if quota.Value, err = parseSize(size); err != nil {
			return err
		}
	}
	return us.patchNamed(ctx, sh, email, UserPatch{Quota: quota}, "may store "+size)
}

// parseSize reads a number of bytes, also as 500MiB or 10GiB.
func parseSize(s string) (int64, error) {
	digits, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			digits, shift = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return 0, fmt.Errorf("%q is not a size: give bytes, a number with KiB, MiB, GiB or TiB, or default", s)
	}
	return n << shift, nil
}

func (us *users) userSessions(ctx context.Context, sh *db.Shell, args []string) error {
	flags, email := sh.Flags("user sessions"), ""
	end := flags.Bool("end", false, "sign the user out everywhere")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args, &email); err != nil {
		return err
	}
	u, err := userNamed(ctx, us.db, email)
	if err != nil {
		return err
	}
	if *end {
		n, err := us.endAllSessions(ctx, operator, u.ID)
		if err == nil {
			_, err = fmt.Fprintf(sh.Stdout, "%s was signed in on %d devices and is now signed out on all of them.\n", u.Email, n)
		}
		return err
	}
	sessions, err := us.sessions.ofUser(ctx, u.ID)
	if err != nil {
		return err
	}
	return printList(sh, *asJSON, sessions, "DEVICE\tADDRESS\tSIGNED IN\tLAST USED\tID", func(s Session) []any {
		return []any{s.Name, s.Address, s.CreatedAt.Format(time.DateTime), s.LastUsedAt.Format(time.DateTime), s.ID}
	})
}
