// Package backup saves everything in a folder of plain files, and restores it from
// there.
//
//	objects/ab/cdef…       the bytes of files, by their SHA-256, each once
//	points/<time>/         a restore point: the whole platform at one moment
//	    manifest.json      what belongs to it, with all checksums
//	    manifest.sum       its own checksum and MAC; written last
//	    files.jsonl        every file: id, owner, path, size, SHA-256
//	    loose.jsonl        entries on the disk that have no row
//	    tables/*.gz        every table, as PostgreSQL's COPY writes text
//	    secret             only if it was asked for
//
// What it promises:
//   - It works while servers are running. All tables are of one snapshot, and the
//     bytes of every file in the snapshot are found and compared with their
//     checksum, whatever is replaced, deleted or purged in the meantime.
//   - What is in objects is not read again: backing up what has not changed costs
//     a look at each file.
//   - A point gets its name once all of it is on the disk. An interrupted backup
//     leaves a folder that nobody takes for a point and the next backup removes.
//   - Any later release, with any PostgreSQL from 15 on, can read it.
//   - A restore goes into an empty database and an empty data directory, and no
//     server starts on them before it is complete.
//
// Unlogged tables are left out: they are meant to be forgotten.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/cli"
	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

// Backup is the room, and what it needs. Its functions are called only by commands.
type Backup struct {
	DB      *db.DB
	Audit   *audit.Log
	Files   *files.Files
	Version string
	// Schemas are the texts of the steps by PostgreSQL schema: "public" is that of
	// the platform, "app_<name>" that of an app.
	Schemas map[string]string
	// Migrate brings the database to this release.
	Migrate func(ctx context.Context) error
	// Restored lets every room discard what must not come back, such as sessions
	// and mail. lost says that the secret of the backup is not available.
	Restored func(ctx context.Context, tx pgx.Tx, lost bool) error
	// Fingerprints identify the secrets, of which the first signs.
	Fingerprints func() [][]byte
	// Secret is the secret as text; KeepSecret replaces it.
	Secret     func() string
	KeepSecret func(text string) error
	// Keys are the keys for a purpose, one for each secret: the first signs.
	Keys func(purpose string) [][]byte
	// Mail sends a message; nil without a mail server.
	Mail func(ctx context.Context, to, subject, text string) error
}

// Commands are the operator's verbs of this room.
func (b *Backup) Commands() []cli.Command {
	return []cli.Command{
		{Name: "backup", Args: "DIR [--with-secret] [--keep N] [--mail-to ADDRESS] [--verify [--point NAME]]", Needs: cli.NeedSecret, Run: b.command,
			Summary: "add a restore point to a folder, or verify one"},
		{Name: "restore", Args: "DIR [--point NAME] [--without-secret] [--check]", Needs: cli.NeedSecret, Run: b.restoreCommand,
			Summary: "restore everything into an empty database and data directory, or check that it would work"},
	}
}

func (b *Backup) command(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, dir := sh.Flags("backup"), ""
	secret := flags.Bool("with-secret", false, "include the secret: whoever has the backup can then sign in as anybody")
	keep := flags.Int("keep", 0, "keep only the newest `N` restore points; 0 keeps all")
	to := flags.String("mail-to", "", "mail this `ADDRESS` when it fails")
	verify := flags.Bool("verify", false, "make no backup: read the newest point and check everything against its checksums")
	point := flags.String("point", "", "with --verify: the point called `NAME`")
	if err := flags.Parse(args, &dir); err != nil {
		return err
	}
	if _, err := auth.ParseEmail(*to); *to != "" && (err != nil || b.Mail == nil) {
		return fmt.Errorf("%w: --mail-to needs an address, and HOMEBASE_SMTP_URL a server", cli.ErrUsage)
	}
	if *keep < 0 || *point != "" && !*verify {
		return fmt.Errorf("%w: --keep is a number from 0 on, and --point goes with --verify", cli.ErrUsage)
	}
	run := func() error { return b.add(ctx, sh, dir, *secret, *keep) }
	if *verify {
		run = func() error { return b.verify(ctx, sh, dir, *point) }
	}
	err := run()
	if err != nil && *to != "" {
		host, _ := os.Hostname()
		text := fmt.Sprintf("On %s at %s\n\n  homebase backup %s\n\nfailed:\n\n  %s\n", host, time.Now().Format(time.RFC1123), dir, err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, b.Mail(ctx, *to, "Homebase: the backup failed", text))
	}
	return err
}

// add makes a restore point.
func (b *Backup) add(ctx context.Context, sh *cli.Shell, dir string, secret bool, keep int) error {
	if err := sh.Connect(ctx, cli.NeedSchema); err != nil { // comes first, because the mail outbox is there
		return err
	}
	st, err := openStore(dir, b.Keys(manifestPurpose), true)
	if err != nil {
		return err
	}
	defer st.close()
	if err := b.DB.Migrated(ctx, b.Schemas["public"]); err != nil {
		return fmt.Errorf("back up with the release that the database belongs to, or run homebase migrate: %w", err)
	}
	began := time.Now()
	m := &Manifest{Format: format, Version: b.Version, MadeAt: began.UTC()}
	secretIs := "not in it"
	if secret {
		m.Secret, secretIs = true, "in it"
		if m.SecretPart, err = st.writeText("secret", []byte(b.Secret()+"\n")); err != nil {
			return err
		}
	}
	line := newBar(sh.Stderr)
	defer line.End()
	err = b.Files.Snapshot(ctx, func(s *files.Snapshot) error {
		if err := b.dump(ctx, st, s, m, line); err != nil {
			return err
		}
		if err := st.collect(ctx, s, m, line); err != nil {
			return err
		}
		if err := st.collectLoose(ctx, s, m, line); err != nil {
			return err
		}
		return s.Kept(ctx)
	})
	if err == nil {
		err = st.finish(m)
	}
	line.End()
	if err != nil {
		return err
	}
	err = b.DB.InTx(ctx, func(tx pgx.Tx) error {
		return b.Audit.Record(ctx, tx, audit.Event{Action: audit.BackupMade, Details: map[string]string{"secret": fmt.Sprint(m.Secret)}})
	})
	fmt.Fprintf(sh.Stdout, "%s: %d tables, %d files (%s), %s of them new, in %s; the secret is %s.\n", m.Name, len(m.Tables),
		m.Files.Count, bytesText(m.Files.Bytes), bytesText(st.added), time.Since(began).Round(100*time.Millisecond), secretIs)
	if keep > 0 {
		err = errors.Join(err, st.prune(keep))
	}
	printAll(sh.Stdout, m.Files.Problems)
	printAll(sh.Stdout, m.Loose.Problems)
	if len(m.Loose.Problems) > 0 {
		err = errors.Join(err, fmt.Errorf("some entries on the disk have no row: %d files and folders are in the backup as they are; see above, and run homebase files scan", m.Loose.Count))
	}
	if n := m.Files.lost(); n > 0 {
		err = errors.Join(err, fmt.Errorf("the backup can be restored, but %d files were damaged or missing on the disk; see above, and run homebase files verify", n))
	}
	return err
}

// printAll writes a line for each of the list.
func printAll[T any](w io.Writer, list []T) {
	for _, v := range list {
		fmt.Fprintln(w, v)
	}
}

// collect puts the bytes of every file of the snapshot into objects, and completes the
// files.jsonl that dump has begun.
func (st *store) collect(ctx context.Context, s *files.Snapshot, m *Manifest, line *bar) (err error) {
	m.Files.Part, err = st.write(filesName, func(out io.Writer) error {
		to := json.NewEncoder(out)
		var done int64
		asked := time.Now()
		return eachLine(st.path(draftName), func(f file) error {
			if time.Since(asked) > time.Minute {
				asked = time.Now()
				if err := s.Kept(ctx); err != nil { // better to fail now than after hours
					return err
				}
			}
			if err := st.take(ctx, s, &f); err != nil {
				return err
			}
			if f.Problem != "" {
				m.Files.Problems = append(m.Files.Problems, f)
			}
			done += f.Size
			line.show("files", done, m.Files.Bytes)
			return to.Encode(f)
		})
	})
	if err != nil {
		return err
	}
	return os.Remove(st.path(draftName))
}

// take makes sure that the bytes of a file are in objects, and records how they differ
// from the rows.
func (st *store) take(ctx context.Context, s *files.Snapshot, f *file) error {
	here := st.has(f.SHA256, f.Size)
	if here && s.InPlace(f.Stored) {
		return nil
	}
	without := func(problem string) error {
		f.Problem = problem
		if here {
			f.Problem = rescued
		}
		return nil
	}
	bytes, changed, err := s.Open(ctx, f.Stored)
	switch {
	case errors.Is(err, files.ErrNotStored):
		return without(missing)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EUCLEAN), errors.Is(err, syscall.ESTALE), errors.Is(err, fs.ErrPermission):
		return without(unread)
	case err != nil:
		return err
	}
	defer bytes.Close()
	if here && !changed {
		return nil
	}
	sum, size, err := st.put(ctx, bytes)
	switch {
	case errors.Is(err, errUnread):
		return without(unread)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Place, err)
	case changed:
		info, err := bytes.Stat()
		if err != nil {
			return err
		}
		f.Problem, f.Kept, f.KeptSize, f.KeptMTime = altered, sum, size, info.ModTime().UnixNano()
	case sum != f.SHA256:
		f.Problem, f.Kept, f.KeptSize, f.KeptMTime = damaged, sum, size, f.MTime
	}
	return nil
}

// bar shows the progress of something whose size is known.
type bar struct {
	*cli.Progress
	began time.Time
}

func newBar(w io.Writer) *bar { return &bar{cli.NewProgress(w), time.Now()} }

func (l *bar) show(what string, done, of int64) {
	part := float64(done) / float64(max(of, 1))
	left := ""
	if spent := time.Since(l.began); part > 0.01 && spent > 2*time.Second {
		left = ", " + time.Duration(float64(spent)*(1-part)/part).Round(time.Second).String() + " left"
	}
	full := min(30, int(30*part))
	l.Show("%s [%s%s] %3.0f %% of %s%s", what, strings.Repeat("#", full), strings.Repeat(".", 30-full), 100*part, bytesText(of), left)
}

func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	unit, v := 0, float64(n)/1000
	for ; v >= 1000 && unit < 3; unit++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGT"[unit])
}
