package files_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/files"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// house is a running worker with a data directory of its own.
type house struct {
	*authtest.Env
	files *files.Files
	data  string // the data directory
	idle  bool   // the next one that is opened is a command: it serves nothing
	beat  time.Duration
}

// start boots a worker; each change of the configuration is one edit.
func start(t testing.TB, edits ...func(*files.Config)) *house {
	t.Helper()
	h := &house{data: t.TempDir()}
	h.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route { return h.open(t, e, edits...) })
	return h
}

// watched is start for tests that count or hold what the worker asks the
// database.
func watched(t testing.TB) (*house, *dbtest.Statements) {
	t.Helper()
	h := &house{data: t.TempDir()}
	var s *dbtest.Statements
	h.Env, s = authtest.StartWatched(t, func(e *authtest.Env) []httpx.Route { return h.open(t, e) })
	return h, s
}

// second boots another worker on the same database and data directory.
func (h *house) second(t testing.TB) *house {
	t.Helper()
	first := h.files
	other := &house{data: h.data, Env: h.Env.Worker(t)}
	other.files, h.files = h.files, first
	return other
}

func (h *house) open(t testing.TB, e *authtest.Env, edits ...func(*files.Config)) []httpx.Route {
	c := files.Config{DB: e.DB, Audit: e.Audit, DataDir: h.data, DefaultQuota: 1 << 30, UploadExpiry: time.Hour, TrashRetention: time.Hour, VersionRetention: 30 * 24 * time.Hour,
		Keys: authtest.Keys, Auth: e.Auth,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}
	for _, edit := range edits {
		edit(&c)
	}
	h.files = files.New(c)
	if e.Auth != nil {
		e.Auth.OnChange(h.files.RecheckListeners)
	}
	if h.beat > 0 {
		h.files.SetBeat(h.beat)
	}
	if h.idle {
		return nil
	}
	if err := h.files.Start(t.Context()); err != nil {
		t.Fatalf("start files: %v", err)
	}
	t.Cleanup(h.files.Stop)
	return h.files.Routes()
}

// member makes a user and signs in; id is the user's.
func (h *house) member(t testing.TB, email string) (c *httpxtest.Client, id string) {
	t.Helper()
	u := h.User(t, email, "member")
	return h.SignIn(t, email), u.ID.String()
}

// run runs one of the worker's jobs now.
func (h *house) run(t testing.TB, name string) {
	t.Helper()
	jobs := h.files.Jobs()
	i := slices.IndexFunc(jobs, func(j db.Job) bool { return j.Name == name })
	if i < 0 {
		t.Fatalf("there is no job %s", name)
	}
	if err := jobs[i].Run(t.Context()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// exec runs SQL by hand and tells how many rows it touched.
func (h *house) exec(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	n, err := db.Affected(t.Context(), h.DB, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// number reads one number.
func (h *house) number(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	n, err := db.One(t.Context(), h.DB, db.Value[int64], sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// settled waits until no redo record is left.
func (h *house) settled(t testing.TB) {
	t.Helper()
	for h.number(t, "SELECT count(*) FROM file_ops WHERE quarantined_at IS NULL") > 0 {
		time.Sleep(5 * time.Millisecond)
	}
}

// onDisk lists all regular files and links below the data directory except
// the marker and the workers' locks.
func (h *house) onDisk(t testing.TB) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(h.data, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(h.data, p)
		if err != nil || rel == ".homebase" || strings.HasPrefix(rel, "workers/") {
			return err
		}
		if strings.HasPrefix(rel, "staging/new/") { // one that is empty was made ahead
			if info, err := d.Info(); err != nil || info.Size() == 0 {
				return nil
			}
		}
		list = append(list, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// place is where an owner's file lies.
func (h *house) place(owner string, names ...string) string {
	return filepath.Join(append([]string{h.data, "users", owner}, names...)...)
}

// item is an item as a client reads it.
type item struct {
	ID        string     `json:"id"`
	SpaceID   *string    `json:"space_id"`
	ParentID  *string    `json:"parent_id"`
	Type      string     `json:"type"`
	Name      string     `json:"name"`
	Path      string     `json:"path"`
	Size      int64      `json:"size"`
	MediaType *string    `json:"media_type"`
	SHA256    *string    `json:"sha256"`
	Revision  int64      `json:"revision"`
	Updated   time.Time  `json:"updated_at"`
	Modified  *time.Time `json:"modified_at"`
}

type page struct {
	Items      []item  `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

func (p page) names() []string {
	list := make([]string, len(p.Items))
	for i, it := range p.Items {
		list[i] = it.Name
	}
	return list
}

type usage struct {
	Quota, Used, Reserved, Trash, Versions, Items, Entries int64
	EntryQuota                                             int64 `json:"entry_quota"`
}

func decode[T any](t testing.TB, a *httpxtest.Answer) (v T) {
	t.Helper()
	a.JSON(t, &v)
	return v
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func sha(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func wantBytes(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d other bytes, want %d", len(got), len(want))
	}
}

func wantFile(t testing.TB, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, got, want)
}
