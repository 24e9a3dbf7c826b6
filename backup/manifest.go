package backup

import (
	"cmp"
	"time"

	"homebase/files"
)

// format is the layout that this release writes, and the only one so far.
const format = 1

// Manifest says what belongs to a restore point. It is written last.
type Manifest struct {
	Format  int       `json:"format"`
	Name    string    `json:"name"`
	Version string    `json:"version"` // of the program
	MadeAt  time.Time `json:"made_at"`
	// Secret says that the point holds the platform's secret; Fingerprint
	// recognises it either way, null before a server ever ran.
	Secret      bool   `json:"secret"`
	Fingerprint []byte `json:"secret_fingerprint"`
	// Steps are those that had been applied, by PostgreSQL schema.
	Steps map[string][]Step `json:"steps"`
	// Tables are listed in an order in which they can be filled: what a row
	// refers to comes before it.
	Tables    []Table    `json:"tables"`
	Sequences []Sequence `json:"sequences"`
	Files     FileList   `json:"files"`
	Loose     LooseList  `json:"loose"`
}

// Step is a step of the schema that had been applied.
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
	// PartitionOf and Bound say how a partition is made, "" for a table that
	// the steps make.
	PartitionOf string `json:"partition_of,omitempty"`
	Bound       string `json:"bound,omitempty"`
	Part        Part   `json:"part"`
}

// Sequence is where numbers go on.
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
	Problems []file `json:"problems"` // what is not as the rows have it
}

// What may be wrong with a file when it is backed up.
const (
	altered = "changed past the API; the backup has it as it was found"
	damaged = "damaged: its bytes are not those that were stored; the backup has them as they were found"
	missing = "missing: its bytes were not on the disk and are not in the backup"
	unread  = "unreadable: the disk did not give its bytes, and the backup does not have them"
	rescued = "missing: its bytes were not on the disk; the backup has them from before"
)

// file is a line of files.jsonl. Kept is the sum of the bytes that objects
// has where it is not that of the rows.
type file struct {
	files.Stored
	Problem   string `json:"problem,omitempty"`
	Kept      string `json:"kept,omitempty"`
	KeptSize  int64  `json:"kept_size,omitempty"`
	KeptMTime int64  `json:"kept_mtime,omitempty"`
}

// hash is the name of the file's bytes in objects, "" when it has none.
func (f file) hash() string {
	if f.Problem == missing || f.Problem == unread {
		return ""
	}
	return cmp.Or(f.Kept, f.SHA256)
}

// lost counts the files that somebody has to look after.
func (l FileList) lost() (n int) {
	for _, f := range l.Problems {
		if f.Problem != altered {
			n++
		}
	}
	return n
}
