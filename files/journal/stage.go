package journal

import (
	"errors"
	"fmt"
	"os"
	"path"

	"homebase/files/disk"
)

// mostReady is how many staging files are made at a time once many are taken.
const mostReady = 32

// stock are empty staging files that were made ahead: one flush of their folder
// serves all that are made together, and whoever takes one has to flush the file alone.
type stock struct {
	held  chan struct{} // by who uses the rest
	ready []stagingFile
	next  int // how many are made next
}

type stagingFile struct {
	*os.File
	path string
}

// Stage gives a put an empty file whose name is durable. It is the caller's to close,
// and to remove if the put comes to nothing; what a killed worker had is swept.
func (j *Journal) Stage(p *Put) error {
	s := &j.stock
	s.held <- struct{}{}
	defer func() { <-s.held }()
	for {
		if len(s.ready) == 0 {
			if err := j.makeReady(); err != nil {
				return err
			}
		}
		f := s.take()
		if p.File, p.Staged = f.File, f.path; j.disk.HasName(f.File) {
			return nil
		}
		f.Close() // somebody has cleared the folder since
	}
}

func (s *stock) take() (f stagingFile) {
	n := len(s.ready) - 1
	f, s.ready = s.ready[n], s.ready[:n]
	return f
}

// makeReady makes twice as many as the last time, so that who sends a single file does
// not wait for many.
func (j *Journal) makeReady() (err error) {
	s, folder := &j.stock, path.Join(disk.Staging, "new")
	for range s.next {
		f := stagingFile{path: j.StagingPath(folder)}
		if f.File, err = j.disk.Create(f.path); err != nil {
			break
		}
		s.ready = append(s.ready, f)
	}
	s.next = min(2*s.next, mostReady)
	if len(s.ready) > 0 { // the disk may have no room for all
		err = j.disk.SyncFolder(folder)
	}
	if err != nil {
		err = errors.Join(err, j.removeReady())
	}
	return err
}

// removeReady removes what nobody has taken.
func (j *Journal) removeReady() (err error) {
	for s := &j.stock; len(s.ready) > 0; {
		f := s.take()
		err = errors.Join(err, f.Close(), j.disk.Remove(f.path))
	}
	return err
}

// StagingPath is a new path for bytes on their way. It names the worker, so that a dead
// one's can be swept.
func (j *Journal) StagingPath(folder string) string {
	return fmt.Sprintf("%s/%s.%d", folder, NewID(), j.worker.id)
}
