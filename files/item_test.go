package files

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// What writes its own JSON writes what encoding/json would, each member of it.
func TestItemBody_WritesWhatEncodingJSONWould(t *testing.T) {
	t.Parallel()
	type plainItem itemBody
	type plainTrashed struct {
		plainItem
		TrashedAt    time.Time `json:"trashed_at"`
		OriginalPath string    `json:"original_path"`
	}
	full := itemBody{ID: uuid.New(), SpaceID: new(uuid.New()), ParentID: new(uuid.New()), Type: "file", Name: "ä.txt", Path: "/x/ä.txt", Size: 1 << 40, MediaType: new("text/plain"),
		SHA256: new("ab"), Revision: 7, CreatedAt: time.Now().UTC(), UpdatedAt: time.Now().UTC(), ModifiedAt: new(time.Now().UTC()), Missing: true}
	for field, v := range reflect.ValueOf(full).Fields() {
		if v.IsZero() {
			t.Errorf("%s is zero here: it would not be seen", field.Name)
		}
	}
	for _, b := range []itemBody{full, {}} {
		was := trashedBody{b, full.CreatedAt, "/x/y"}
		for _, pair := range [][2]any{
			{httpx.List[itemBody]{Items: []itemBody{b, b}}, httpx.List[plainItem]{Items: []plainItem{plainItem(b), plainItem(b)}}},
			{httpx.List[trashedBody]{Items: []trashedBody{was}}, httpx.List[plainTrashed]{Items: []plainTrashed{{plainItem(b), was.TrashedAt, was.OriginalPath}}}},
			{copyBody{b, nil}, plainItem(b)},
		} {
			got, err := httpx.EncodeJSON(pair[0])
			want, wrong := httpx.EncodeJSON(pair[1])
			if err != nil || wrong != nil || !bytes.Equal(got, want) {
				t.Errorf("%T: got %s (%v)\nwant %s (%v)", pair[0], got, err, want, wrong)
			}
		}
	}
}
