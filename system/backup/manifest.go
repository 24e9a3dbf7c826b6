package backup

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"homebase/auth"
	"homebase/files"
)

// format is the layout that this release writes, and the only one so far.
const format = 1

// Manifest says what belongs to a restore point. Only its own checksum is written after
// it.
type Manifest struct {
	Format  int       `json:"format"`
	Name    string    `json:"name"`
	Version string    `json:"version"` // of the program
	MadeAt  time.Time `json:"made_at"`
	// Secret says that the point contains the platform's secret. Fingerprint
	// identifies it either way; it is null if no server ever ran.
	Secret      bool   `json:"secret"`
	SecretPart  Part   `json:"secret_part,omitzero"`
	Fingerprint []byte `json:"secret_fingerprint"`
	// Steps are the applied steps by PostgreSQL schema.
	Steps map[string][]Step `json:"steps"`
	// Tables are in an order in which they can be filled: what a row refers to
	// comes first.
	Tables    []Table    `json:"tables"`
	Sequences []Sequence `json:"sequences"`
	Files     FileList   `json:"files"`
	Loose     LooseList  `json:"loose"`

	proven bool              // it was read with the MAC of one of our secrets
	steps  map[string]string // the texts of Steps
	others []Table           // those that no step creates, which a restore leaves out
}

// parts are the files of the point that the manifest names.
func (m *Manifest) parts() []Part {
	parts := []Part{m.Files.Part, m.Loose.Part, m.SecretPart}
	for _, t := range m.Tables {
		parts = append(parts, t.Part)
	}
	return slices.DeleteFunc(parts, func(p Part) bool { return p.Name == "" })
}

const (
	sumName         = "manifest.sum"
	manifestPurpose = "backup manifest"
)

// sumOfManifest is the content of manifest.sum: the SHA-256 of the manifest, which
// shows damage to anybody, and its HMAC, which shows edits to whoever has the secret.
func sumOfManifest(text, key []byte) []byte {
	return fmt.Appendf(nil, "%x\n%x\n", sha256.Sum256(text), auth.MAC(key, text))
}

// openPoint opens a restore point, the newest if name is "". A point of this
// platform whose manifest somebody edited is an error.
func (b *Backup) openPoint(dir, name string) (*store, *Manifest, error) {
	st, err := openStore(dir, b.Keys(manifestPurpose), false)
	if err != nil {
		return nil, nil, err
	}
	m, err := st.read(name)
	if err == nil && b.knowsSecret(m) && !m.proven {
		err = fmt.Errorf("%s: somebody edited it: its MAC does not match this platform's secret", st.path(manifestName))
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.close())
	}
	return st, m, nil
}

// knowsSecret reports whether the secret of the point is configured.
func (b *Backup) knowsSecret(m *Manifest) bool {
	return slices.ContainsFunc(b.Fingerprints(), func(print []byte) bool { return bytes.Equal(print, m.Fingerprint) })
}

// Step is an applied step of the schema.
type Step struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	Hash   []byte `json:"hash"`
}

// Part is a file of the point.
type Part struct {
	Name   string `json:"name"` // below the point's folder
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Table is one table.
type Table struct {
	Schema  string   `json:"schema"`
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	// PartitionOf and Bound say how to create a partition; they are "" for a table
	// that the steps create.
	PartitionOf string `json:"partition_of,omitempty"`
	Bound       string `json:"bound,omitempty"`
	Part        Part   `json:"part"`

	oid   uint32
	needs []uint32 // the tables that its foreign keys refer to
}

// Sequence is the last number of a sequence.
type Sequence struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Last   int64  `json:"last"`
}

// FileList sums up files.jsonl.
type FileList struct {
	Part
	Count    int64  `json:"count"`
	Bytes    int64  `json:"bytes"`
	Problems []file `json:"problems"` // those that differ from their rows
}

// What can be wrong with a file when it is backed up.
const (
	altered = "changed outside the API; the backup has it as it was found"
	damaged = "damaged: its bytes are not the ones that were stored; the backup has them as they were found"
	missing = "missing: its bytes were not on the disk and are not in the backup"
	unread  = "unreadable: the disk did not return its bytes, and the backup does not have them"
	rescued = "missing: its bytes were not on the disk; the backup has them from before"
)

// file is a line of files.jsonl. Kept is the checksum of the bytes in objects if it is
// not that of the row.
type file struct {
	files.Stored
	Problem   string `json:"problem,omitempty"`
	Kept      string `json:"kept,omitempty"`
	KeptSize  int64  `json:"kept_size,omitempty"`
	KeptMTime int64  `json:"kept_mtime,omitempty"`
}

func (f file) String() string { return fmt.Sprintf("%q: %s", f.Place, f.Problem) }

// hash is the name of the file's bytes in objects, "" if they are not there.
func (f file) hash() string {
	if f.Problem == missing || f.Problem == unread {
		return ""
	}
	return cmp.Or(f.Kept, f.SHA256)
}

// lost counts the files that need somebody's attention.
func (l FileList) lost() (n int) {
	for _, f := range l.Problems {
		if f.Problem != altered {
			n++
		}
	}
	return n
}
