package journal

import (
	"errors"
	"testing"

	"github.com/google/uuid"
)

func stagedNames(t *testing.T, j *Journal) []string {
	t.Helper()
	names, err := j.disk.Names("staging/new")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestStage_MakesFilesAheadOnceManyAreTaken(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, func(uuid.UUID) {})
	for i, want := range []int{1, 3, 3, 7, 7, 7, 7, 15} {
		var p Put
		if err := j.Stage(&p); err != nil {
			t.Fatal(err)
		}
		defer p.File.Close()
		if got := len(stagedNames(t, j)); got != want {
			t.Errorf("after %d were taken there are %d, want %d", i+1, got, want)
		}
	}
}

// Somebody may clear staging/ by hand. What would be written then has no name by
// which it could be put in place.
func TestStage_GivesNoFileThatWasRemoved(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, func(uuid.UUID) {})
	for range 3 {
		var p Put
		err := j.Stage(&p)
		if err == nil {
			_, err = j.disk.Lstat(p.Staged)
		}
		if err == nil {
			err = errors.Join(p.File.Close(), j.disk.RemoveAll("staging/new"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestStop_RemovesWhatWasMadeAhead(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, func(uuid.UUID) {})
	for range 4 {
		var p Put
		if err := j.Stage(&p); err != nil {
			t.Fatal(err)
		}
		defer p.File.Close()
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	if names := stagedNames(t, j); len(names) != 4 {
		t.Errorf("staging holds %q", names)
	}
}
