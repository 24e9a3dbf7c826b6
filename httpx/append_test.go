package httpx

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
)

type ownText struct {
	Name *string   `json:"name"`
	ID   uuid.UUID `json:"id"`
	At   time.Time `json:"at"`
}

func (o *ownText) AppendJSON(b []byte) []byte {
	b = AppendNullable(append(b, `{"name":`...), o.Name, AppendString)
	b = AppendID(append(b, `,"id":`...), o.ID)
	return append(AppendTime(append(b, `,"at":`...), o.At), '}')
}

func TestEncodeJSON_AnAppenderWritesWhatEncodingJSONWould(t *testing.T) {
	t.Parallel()
	type plain ownText
	texts := []string{"", "a.txt", `"\`, "\t\n\x00\x1f\x7f", "Prüfung é 🙂", "<a href='x'>&amp;", "\u2028\u2029", "broken \xff\xc3 here"}
	times := []time.Time{time.Unix(0, 0).UTC(), time.Date(2026, 11, 29, 1, 2, 3, 120_000_000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
	var own List[ownText]
	var usual List[plain]
	for i, text := range texts {
		o := ownText{&text, uuid.New(), times[i%len(times)]}
		if text == "" {
			o.Name = nil
		}
		own.Items, usual.Items = append(own.Items, o), append(usual.Items, plain(o))
	}
	own.Items, usual.Items = append(own.Items, ownText{At: times[0]}), append(usual.Items, plain{At: times[0]})
	next := "cursor"
	for range 2 {
		same(t, own, usual)
		same(t, &own.Items[0], plain(own.Items[0]))
		own.NextCursor, usual.NextCursor = &next, &next
	}
	same(t, List[ownText]{Items: []ownText{}}, List[plain]{Items: []plain{}})
}

func same(t *testing.T, own, usual any) {
	t.Helper()
	got, err := EncodeJSON(own)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(usual); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got  %s\nwant %s", got, want.Bytes())
	}
}
