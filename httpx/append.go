package httpx

import (
	"encoding/hex"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Appender is an answer that writes its own JSON behind b: what is told by the
// hundred, or was written before. It is the text that encoding/json makes of it.
type Appender interface{ AppendJSON(b []byte) []byte }

// appended is about how long an item is that writes itself, with its path.
const appended = 448

// appenders is a page of Appenders, which it writes: nil is one of others.
type appenders interface{ appendJSON() []byte }

func (l List[T]) appendJSON() []byte {
	if _, own := any((*T)(nil)).(Appender); !own {
		return nil
	}
	b := append(make([]byte, 0, 64+appended*len(l.Items)), `{"items":[`...)
	for i := range l.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = any(&l.Items[i]).(Appender).AppendJSON(b)
	}
	b = append(b, `],"next_cursor":`...)
	return append(AppendNullable(b, l.NextCursor, AppendString), "}\n"...)
}

// AppendString writes s behind b as JSON.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			text, _ := EncodeJSON(s) // strings always encode
			return append(b, text[:len(text)-1]...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// AppendTime writes t behind b as JSON.
func AppendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// AppendID writes id behind b as JSON.
func AppendID(b []byte, id uuid.UUID) []byte {
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		b = hex.AppendEncode(append(b, "\"----"[i]), part)
	}
	return append(b, '"')
}

// AppendNullable writes what v points to, or null.
func AppendNullable[T any](b []byte, v *T, write func(b []byte, v T) []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return write(b, *v)
}
