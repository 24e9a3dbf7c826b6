package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"homebase/files"
)

const looseName = "loose.jsonl"

// LooseList sums up loose.jsonl: the entries on the disk that had no row, copied as they
// were. Older points do not have it.
type LooseList struct {
	Part
	Count    int64   `json:"count"`    // files and folders that were copied
	Problems []loose `json:"problems"` // the topmost of them, and those that were not copied
}

// loose is a line of loose.jsonl.
type loose struct {
	Path    string `json:"path"` // below the data directory, escaped as in a URL: it may hold any bytes
	Folder  bool   `json:"folder,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Size    int64  `json:"size,omitempty"`
	MTime   int64  `json:"mtime,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// path is the path on the disk.
func (l loose) path() string {
	p, err := url.PathUnescape(l.Path)
	if err != nil {
		return l.Path
	}
	return p
}

func (l loose) String() string { return fmt.Sprintf("%q: %s", l.path(), l.Problem) }

// collectLoose copies the entries that have no row.
func (st *store) collectLoose(ctx context.Context, s *files.Snapshot, m *Manifest, line *bar) (err error) {
	m.Loose.Part, err = st.write(looseName, func(out io.Writer) error {
		to := json.NewEncoder(out)
		return s.EachLoose(ctx, func(from files.Loose, file *os.File) error {
			l := loose{Path: (&url.URL{Path: from.Path}).EscapedPath(), Folder: from.Folder, Problem: from.Why}
			if file != nil {
				sum, size, err := st.put(ctx, file)
				if err != nil && !errors.Is(err, errUnread) {
					return err
				}
				if err != nil {
					file, l.Problem = nil, "it cannot be read, and is not in the backup"
				} else if info, err := file.Stat(); err == nil {
					l.SHA256, l.Size, l.MTime = sum, size, info.ModTime().UnixNano()
				}
			}
			if l.Problem != "" {
				m.Loose.Problems = append(m.Loose.Problems, l)
			}
			if file == nil && !from.Folder {
				return nil
			}
			m.Loose.Count++
			line.Show("files without a row: %d", m.Loose.Count)
			return to.Encode(l)
		})
	})
	return err
}

// eachLoose gives the copied entries that had no row.
func (st *store) eachLoose(m *Manifest, give func(l loose) error) error {
	if m.Loose.Name == "" {
		return nil
	}
	return eachLine(st.path(m.Loose.Name), give)
}

// putLoose restores the entries without a row, after those with one, and returns those
// that it could not restore.
func (st *store) putLoose(ctx context.Context, put *files.Putting, m *Manifest) (failed []loose, err error) {
	err = st.eachLoose(m, func(l loose) error {
		var err error
		if l.Folder {
			err = put.PutLoose(l.path(), 0, nil)
		} else if object, opened := os.Open(st.object(l.SHA256)); opened != nil {
			err = opened
		} else {
			err = put.PutLoose(l.path(), l.MTime, &summed{ctx, object, sha256.New(), l.SHA256})
			object.Close()
		}
		if err != nil {
			l.Problem = "it could not be put back: " + err.Error()
			failed = append(failed, l)
		}
		return context.Cause(ctx)
	})
	return failed, err
}
