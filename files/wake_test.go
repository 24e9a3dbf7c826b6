package files

import (
	"testing"

	"github.com/google/uuid"
)

func TestAnnounce_ARoundWithoutOwnersTellsNobody(t *testing.T) {
	h := newHub()
	h.changed(uuid.New())
	if payload := h.takeMoved(); payload == "" {
		t.Error("an owner's change was not announced")
	}
	if payload := h.takeMoved(); payload != "" {
		t.Errorf("a round with no owners announces %q", payload)
	}
}
