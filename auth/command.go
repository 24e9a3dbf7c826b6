package auth

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"homebase/audit"
	"homebase/cli"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Commands are what the operator does for people where a route cannot: before
// there is anybody, for who is locked out, and in place of a user.
func (a *Auth) Commands() []cli.Command {
	return []cli.Command{
		{Name: "user create", Args: "EMAIL [--role ROLE] [--first] [--password-stdin]", Summary: "create a user", Run: a.users.userCreate},
		{Name: "user password", Args: "EMAIL [--password-stdin]", Summary: "set a user's password and end the user's sessions", Run: a.users.userPassword},
		{Name: "user login-link", Args: "EMAIL [--json]", Summary: "print a link that signs a user in once", Run: a.recovery.userLoginLink},
		{Name: "key create", Args: "EMAIL NAME --permissions LIST [--days N] [--allow LIST]", Summary: "create an access key for a user's script", Run: a.accessKeys.keyCreate},
	}
}

func (us *users) userCreate(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, given := sh.Flags("user create"), ""
	role := flags.String("role", RoleMember, "what the user may do: a `ROLE` such as admin or member")
	stdin := flags.Bool("password-stdin", false, "read the password from standard input")
	first := flags.Bool("first", false, "do nothing if there is a user already; generate a password unless one is given")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	email, err := ParseEmail(given)
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
		return sentence(err)
	}
	second := false
	err = us.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if *first {
			if second, err = anybody(ctx, tx); second || err != nil {
				return err
			}
		}
		_, err = us.CreateUser(ctx, tx, NewUser{Email: email, PasswordHash: hash, Roles: []string{*role}})
		return err
	})
	if err != nil {
		return sentence(err)
	}
	if second {
		_, err = fmt.Fprintln(sh.Stdout, "There are users already; none was created.")
		return err
	}
	_, err = fmt.Fprintf(sh.Stdout, "%s is now a user with the role %s.\n", email, *role)
	if err == nil && made {
		_, err = fmt.Fprintf(sh.Stdout, "The password is %s and will not be shown again.\n", password)
	}
	return err
}

// anybody reports whether there is a user. Two that ask at once do so one after
// the other.
func anybody(ctx context.Context, tx pgx.Tx) (bool, error) {
	err := db.Exec(ctx, tx, `
-- name: auth.LockInstance
SELECT singleton FROM instance FOR UPDATE`)
	if err != nil {
		return false, err
	}
	return db.One(ctx, tx, db.Value[bool], `
-- name: auth.HasUsers
SELECT EXISTS (SELECT FROM users)`)
}

// userNamed finds the user that a command is about.
func userNamed(ctx context.Context, q db.Querier, email string) (account, error) {
	u, err := accountByEmail(ctx, q, strings.TrimSpace(email))
	if errors.Is(err, db.ErrNotFound) {
		err = fmt.Errorf("there is no user %q; homebase api GET /auth/users lists them", email)
	}
	return u, err
}

func (us *users) userPassword(ctx context.Context, sh *cli.Shell, args []string) error {
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
		return sentence(err)
	}
	err = us.change(ctx, func(tx pgx.Tx) (stale, audit.Event, error) {
		if _, err := lockAccount(ctx, tx, u.ID); err != nil {
			return nothing, audit.Event{}, err
		}
		return setPassword(ctx, tx, u.ID, hash, uuid.Nil)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(sh.Stdout, "The password of %s is set, and all of their sessions have ended.\n", u.Email)
	return err
}

func (ak *accessKeys) keyCreate(ctx context.Context, sh *cli.Shell, args []string) error {
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
	words := func(list string) []string {
		return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	in.Permissions, in.Allow = words(*permissions), words(*allow)
	in.ExpiresAt = new(time.Now().AddDate(0, 0, *days))
	made, err := ak.make(ctx, u.ID, uuid.Nil, in)
	if err != nil {
		return sentence(err)
	}
	_, err = fmt.Fprintf(sh.Stdout, "The access key %q of %s is valid until %s. It will not be shown again:\n%s\n",
		made.Name, u.Email, made.ExpiresAt.Format(time.DateOnly), made.Secret)
	return err
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

// readPassword takes a password from the terminal, twice and without echo, or
// one line from standard input when fromStdin is set.
func readPassword(ctx context.Context, sh *cli.Shell, fromStdin bool) (string, error) {
	if fromStdin {
		return readLine(bufio.NewReader(io.LimitReader(sh.Stdin, 64<<10)))
	}
	tty, _ := sh.Stdin.(*os.File)
	restore, err := echoOff(tty)
	if err != nil {
		return "", errors.New("standard input is not a terminal: give the password on it with --password-stdin")
	}
	defer restore()
	in := bufio.NewReader(tty)
	var said [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(sh.Stderr, prompt)
		said[i], err = readLineUntil(ctx, in)
		fmt.Fprintln(sh.Stderr)
		if err != nil {
			return "", err
		}
	}
	if said[0] != said[1] {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return said[0], nil
}

// readLine is the next line without its end; an end of input ends it too.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line == "" {
		return "", errors.New("no password was given")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// readLineUntil is readLine that gives up when ctx ends, so that Ctrl-C at the
// prompt puts the echo back. The reading goroutine is left to the process's
// end, which is near.
func readLineUntil(ctx context.Context, in *bufio.Reader) (string, error) {
	var line string
	var err error
	done := make(chan struct{})
	go func() {
		line, err = readLine(in)
		close(done)
	}()
	select {
	case <-done:
		return line, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// echoOff stops the terminal from showing what is typed until the returned
// function is called. What is no terminal, or no file at all, is an error.
func echoOff(f *os.File) (restore func(), err error) {
	var was syscall.Termios
	if err := termios(f, syscall.TCGETS, &was); err != nil {
		return nil, err
	}
	quiet := was
	quiet.Lflag &^= syscall.ECHO
	return func() { _ = termios(f, syscall.TCSETS, &was) }, termios(f, syscall.TCSETS, &quiet)
}

// termios reads the settings of a terminal into t, or sets them to t.
func termios(f *os.File, request uintptr, t *syscall.Termios) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(t)))
	if errno != 0 {
		return errno
	}
	return nil
}
