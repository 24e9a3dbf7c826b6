package disk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
)

func TestCheckInPlace_ReadsTheMarkerAgainOnlyWhenItHasChanged(t *testing.T) {
	root, id := t.TempDir(), uuid.New()
	d, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.SetMarker(id); err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(root, MarkerFile)
	if err := d.CheckInPlace(id); err != nil {
		t.Fatal(err)
	}
	// What was found right is not read again, so no other id is missed in it.
	if err := d.CheckInPlace(uuid.New()); err != nil {
		t.Errorf("it was read again: %v", err)
	}
	if err := os.WriteFile(marker, []byte(uuid.NewString()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckInPlace(id); err == nil {
		t.Error("another installation's marker went unseen")
	}
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckInPlace(id); err == nil {
		t.Error("that there is no marker went unseen")
	}
}
