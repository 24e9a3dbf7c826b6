package httpx

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// What strangers may send is read before anybody knows them: twice the text
// may cost twice, whatever its shape.
func TestCheckJSON_CostsNoMoreThanTheTextIsLong(t *testing.T) {
	shapes := map[string]func(n int) string{
		"a long name above many values": func(n int) string {
			return `{"` + strings.Repeat("n", n/2) + `":[` + strings.Repeat("0,", n/4) + `0]}`
		},
		"a long name above many names": func(n int) string {
			var b strings.Builder
			b.WriteString(`{"` + strings.Repeat("n", n/2) + `":{`)
			for b.Len() < n {
				b.WriteString(`"` + strings.Repeat("k", 1+b.Len()%7) + string(rune('a'+b.Len()%26)) + strings.Repeat("0", b.Len()%5) + `":[],`)
				b.WriteString(`"k` + strings.Repeat("z", b.Len()%300) + `":0,`)
			}
			return b.String() + `"end":0}}`
		},
		"names above each other": func(n int) string {
			each := n / 130
			return strings.Repeat(`{"`+strings.Repeat("n", each)+`":[`, 31) + strings.Repeat("0,", n/4) + "0" + strings.Repeat("]}", 31)
		},
		"many small values": func(n int) string { return `[` + strings.Repeat(`0,`, n/2) + `0]` },
	}
	for name, shape := range shapes {
		bytesFor := func(n int, as reflect.Type) uint64 {
			text := []byte(shape(n))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = checkJSON(text, as)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		for _, as := range []reflect.Type{reflect.TypeFor[any](), reflect.TypeFor[map[string][]string](), reflect.TypeFor[map[string]map[string]bool]()} {
			once, twice := bytesFor(64<<10, as), bytesFor(128<<10, as)
			if twice > 3*once+(256<<10) {
				t.Errorf("%s as %v: %d bytes for 64 KiB, %d for 128 KiB", name, as, once, twice)
			}
		}
	}
}
